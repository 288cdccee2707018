"""The result of a measurement: a ratio to a reference, with its limit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Ratio:
    """One row of the table.

    Attributes:
        work: the work that was measured.
        against: the reference.
        ratio: `ours / theirs`. Durations are compared for an upper limit, rates for a lower limit.
        limit: the ratio that is required.
        at_most: whether the limit is an upper limit.
        ours: the measured figure, with its unit.
        theirs: the figure of the reference, with its unit.
    """

    work: str
    against: str
    ratio: float
    limit: float | None
    at_most: bool
    ours: str
    theirs: str

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.ratio <= self.limit if self.at_most else self.ratio >= self.limit

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


Call = tuple[Callable[[Any], Awaitable[Any]], Any]
"""An async callable and its argument."""


async def time_calls(calls: dict[str, Call], *, number: int, rounds: int = 15) -> dict[str, float]:
    """Return the duration of one call of each function, in seconds: the best of several alternating rounds."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, (call, argument) in calls.items():
            best[name] = min(best[name], await _time(call, argument, number))
    return best


async def _time(call: Callable[[Any], Awaitable[Any]], argument: Any, number: int) -> float:
    started = time.perf_counter()
    for _ in range(number):
        await call(argument)
    return (time.perf_counter() - started) / number


async def rates(works: Mapping[str, Callable[[], Awaitable[int]]], *, rounds: int = 3) -> dict[str, float]:
    """Return the items per second of each work: the median of alternating rounds. A work returns its number of items."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            items = await work()
            found[name].append(items / (time.perf_counter() - started))
    return {name: median(values) for name, values in found.items()}


def slower(work: str, against: str, ours: float, theirs: float, limit: float | None) -> Ratio:
    """Compare two durations, in seconds."""
    return Ratio(work, against, ours / theirs, limit, True, _duration(ours), _duration(theirs))


def as_fast(work: str, against: str, ours: float, theirs: float, limit: float | None) -> Ratio:
    """Compare two rates, in items per second."""
    return Ratio(work, against, ours / theirs, limit, False, f"{ours:,.0f}/s", f"{theirs:,.0f}/s")


def _duration(seconds: float) -> str:
    return f"{seconds * 1e9:,.0f} ns" if seconds < 1e-4 else f"{seconds * 1e3:,.1f} ms"
