"""Blocks whose duration is measured, and that have a span if they are sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, NamedTuple, Self

from .metrics import ERROR_TYPE, Metric
from .recorder import Attributes, Trace, type_of
from .spans import CANCELLED, SpanType


class Api(NamedTuple):
    """The parts of the OpenTelemetry API that a block uses.

    Attributes:
        tracer: the tracer.
        context: the module of contexts.
        trace: the module of spans.
        propagator: reads trace contexts.
        kinds: the kinds of spans, by name.
        failed: the status "error".
        recorders: the functions that record measurements of counters and histograms.
        add: calls a function soon: to end a span, or to record a duration.
        lock: held while the SDK creates a nested span.
        nested: the class of nested spans.
        shortest: the duration of the shortest nested span, in nanoseconds.
    """

    tracer: Any
    context: Any
    trace: Any
    propagator: Any
    kinds: Mapping[str, Any]
    failed: Any
    recorders: Mapping[Metric, Callable[..., None]]
    add: Callable[..., None]
    lock: Lock
    nested: type[Any]
    shortest: int


class Measured:
    """The duration of a block, without a span. Nothing if there is no metric of it."""

    __slots__ = ("_api", "_began", "_duration", "_labels")

    def __init__(self, api: Api, duration: Metric | None, labels: Attributes) -> None:
        self._api = api
        self._duration = duration
        self._labels = labels

    def __enter__(self) -> None:
        self._began = perf_counter_ns()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._duration is None:
            return
        took, api = perf_counter_ns() - self._began, self._api
        if error is None or isinstance(error, Exception | GeneratorExit):
            labels = {**self._labels, ERROR_TYPE: type_of(error)} if isinstance(error, Exception) else self._labels
            api.add(api.recorders[self._duration], took / 1e9, labels, api.context.get_current())


class Block:
    """A span of a block, current in the block. The span ends with the block, and is handed to the SDK soon after."""

    __slots__ = (
        "_api",
        "_began",
        "_context",
        "_current",
        "_duration",
        "_labels",
        "_span",
        "_started",
        "_time",
        "_token",
    )

    def __init__(
        self,
        api: Api,
        started: tuple[SpanType, str, Attributes, Sequence[Any] | None, Trace | None],
        duration: Metric | None,
        labels: Attributes | None,
        current: bool,
    ) -> None:
        self._api = api
        self._started = started
        self._duration = duration
        self._labels = started[2] if labels is None else labels
        self._current = current
        self._token: Any = None

    def __enter__(self) -> Self:
        api = self._api
        kind, text, attributes, links, parent = self._started
        name = f"{kind.operation} {text}" if text else kind.operation
        context, self._time = api.context.get_current(), time_ns()
        if kind.nested:
            self._span: Any = api.nested(api.tracer, name, context, attributes, self._time, api.lock)
        else:
            if parent and not api.trace.get_current_span(context).get_span_context().is_valid:
                context = api.propagator.extract(parent, context=context)
            self._span = api.tracer.start_span(
                name, context, api.kinds[kind.kind], attributes, links, start_time=self._time
            )
        self._context = api.trace.set_span_in_context(self._span, context)
        if self._current:
            self._token = api.context.attach(self._context)
        self._began = perf_counter_ns()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took, api = perf_counter_ns() - self._began, self._api
        if self._current:
            api.context.detach(self._token)
        failure = None
        if error is not None and not isinstance(error, GeneratorExit):
            failure = type_of(error) if isinstance(error, Exception) else CANCELLED
        api.add(self._end, took, failure)

    def _end(self, took: int, failure: str | None) -> None:
        """End the span, and record the duration."""
        api, span, labels = self._api, self._span, self._labels
        if failure is None and took < api.shortest and isinstance(span, api.nested) and not span.used:
            if self._duration is not None:
                api.recorders[self._duration](took / 1e9, labels, span.parent)  # an exemplar names the parent
            return
        if failure == CANCELLED:
            span.set_attribute(CANCELLED, True)
        elif failure is not None:
            span.set_status(api.failed)
            span.set_attribute(ERROR_TYPE, failure)
            labels = {**labels, ERROR_TYPE: failure}
        span.end(self._time + took)
        if self._duration is not None and failure != CANCELLED:
            api.recorders[self._duration](took / 1e9, labels, self._context)
