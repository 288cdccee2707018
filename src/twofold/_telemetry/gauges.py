"""The values of gauges: tasks publish them, and the threads of exporters read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from .metrics import METRICS, Metric
from .recorder import Reading


class _Published(NamedTuple):
    """The values of one application, and those that replace them after a time on the monotonic clock."""

    readings: Sequence[Reading]
    expired: Sequence[Reading]
    until: float


class Board:
    """The values of the gauges of one meter, by the application that published them.

    Args:
        meter: the meter.
        observation: makes the value that a callback returns.
    """

    def __init__(self, meter: Any, observation: Callable[..., Any]) -> None:
        self._published: dict[object, _Published] = {}
        self._observation = observation
        for metric in METRICS:
            if metric.kind == "gauge":
                meter.create_observable_gauge(
                    metric.name, [self._callback(metric)], unit=metric.unit, description=metric.text
                )

    def publish(self, owner: object, readings: Sequence[Reading], expired: Sequence[Reading], seconds: float) -> None:
        """Replace the values of an owner.

        Args:
            owner: the owner.
            readings: the values; none remove the owner.
            expired: the values after the time.
            seconds: the time, in seconds.
        """
        if readings:
            self._published[owner] = _Published(readings, expired, monotonic() + seconds)
        else:
            self._published.pop(owner, None)

    def _callback(self, metric: Metric) -> Callable[[Any], Iterable[Any]]:
        def observe(options: Any) -> Iterator[Any]:
            now = monotonic()
            for each in list(self._published.values()):
                for reading in each.readings if now < each.until else each.expired:
                    if reading.metric is metric:
                        yield self._observation(reading.value, reading.attributes)

        return observe


_BOARDS: WeakKeyDictionary[Any, Board] = WeakKeyDictionary()


def board_of(meter: Any, observation: Callable[..., Any]) -> Board:
    """Return the board of a meter. A meter accepts the callbacks of a gauge once, when the gauge is created."""
    board = _BOARDS.get(meter)
    if board is None:
        board = _BOARDS[meter] = Board(meter, observation)
    return board
