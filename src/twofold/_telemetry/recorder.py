"""The recorder of telemetry, and the silent one that records nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple, Protocol, TypeAlias

from .metrics import Metric
from .spans import SpanType

Attributes: TypeAlias = Mapping[str, str | int]

Trace: TypeAlias = Mapping[str, str]
"""A W3C trace context (`traceparent`, `tracestate`), as messages and events store it."""


class Reading(NamedTuple):
    """The value of a gauge at one moment."""

    metric: Metric
    value: float
    attributes: Attributes


class Wrapper(Exception):
    """An exception that carries the error of a handler. Telemetry names the class of that error.

    Attributes:
        error: the error.
    """

    error: Exception


def type_of(error: BaseException) -> str:
    """Return the class of an exception, as the attribute `error.type` names it. Its text may be content of a message."""
    found = type(error.error if isinstance(error, Wrapper) else error)
    return found.__qualname__ if found.__module__ == "builtins" else f"{found.__module__}.{found.__qualname__}"


class Recorder(Protocol):
    """Records spans and metrics of one application.

    Attributes:
        on: whether it records. Steps that record are left out of the pipelines where it does not.
        interval: how often gauges are read, in seconds.
    """

    on: bool
    interval: float

    def attributes(self, found: Attributes) -> Attributes:
        """Return attributes together with those that all measurements of the application have."""
        ...

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Record a measurement of a histogram, or add to a counter."""
        ...

    def publish(self, readings: Sequence[Reading], expired: Sequence[Reading] = ()) -> None:
        """Replace the values of all gauges of the application.

        Args:
            readings: the values. They are reported until the next call, and for at most three intervals.
            expired: the values that are reported from then on.
        """
        ...

    def span(
        self,
        kind: SpanType,
        name: str,
        attributes: Attributes,
        *,
        links: Sequence[Trace] = (),
        parent: Trace | None = None,
        duration: Metric | None = None,
        labels: Attributes | None = None,
        current: bool = True,
    ) -> AbstractContextManager[object]:
        """Return a context manager that is a span of the block.

        An exception gives the span the status "error" and the class of the exception, without its text. A cancellation is
        not an error.

        Args:
            kind: the type of span.
            name: what follows the operation in the name of the span.
            attributes: the attributes.
            links: trace contexts of messages that the block handles. Those that cannot be read are left out.
            parent: the trace context that continues here if no span is current.
            duration: a histogram that records the duration of the block.
            labels: the attributes of that measurement; by default those of the span.
            current: whether the span is the current one in the block. The block of a generator would leak it.
        """
        ...

    def measured(self, duration: Metric, labels: Attributes) -> AbstractContextManager[object]:
        """Return a context manager that records the duration of the block, unless the block is cancelled."""
        ...

    def trace(self) -> Trace | None:
        """Return the trace context of the current span; None if there is none."""
        ...

    def flush(self) -> None:
        """Hand spans and durations of blocks that have ended to the SDK, which is done soon otherwise."""
        ...


class Silent:
    """Records nothing."""

    on = False
    interval = 0.0

    def attributes(self, found: Attributes) -> Attributes:
        return found

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        pass

    def publish(self, readings: Sequence[Reading], expired: Sequence[Reading] = ()) -> None:
        pass

    def span(
        self,
        kind: SpanType,
        name: str,
        attributes: Attributes,
        *,
        links: Sequence[Trace] = (),
        parent: Trace | None = None,
        duration: Metric | None = None,
        labels: Attributes | None = None,
        current: bool = True,
    ) -> AbstractContextManager[object]:
        return _NOTHING

    def measured(self, duration: Metric, labels: Attributes) -> AbstractContextManager[object]:
        return _NOTHING

    def trace(self) -> Trace | None:
        return None

    def flush(self) -> None:
        pass


_NOTHING: Final[AbstractContextManager[object]] = nullcontext()

SILENT: Final = Silent()
"""The recorder of an application without telemetry."""
