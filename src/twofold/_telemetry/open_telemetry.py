"""Record through the OpenTelemetry API. This is the only module that imports it, and only if telemetry is on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from .gauges import board_of
from .metrics import APPLICATION, ERROR_TYPE, METRICS, Metric
from .options import Telemetry, TelemetryOption
from .recorder import SILENT, Attributes, Reading, Recorder, Trace, Wrapper
from .spans import CANCELLED, SpanType

_SCOPE: Final = "twofold"
"""The name of the instrumentation scope."""

_LINKS: Final = 128
"""The largest number of links of a span, which is the default limit of OpenTelemetry."""


def recorder_of(option: TelemetryOption, application: str) -> Recorder:
    """Return the recorder of an application, silent if telemetry is off.

    Args:
        option: the option. With None, telemetry is on if a provider was set: a program that sets one has imported the API.
        application: the name of the application, which all spans and measurements have; empty outside of applications.
    """
    if option is False or (option is None and "opentelemetry" not in sys.modules):
        return SILENT
    from opentelemetry import metrics, trace

    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    if option is None and _is_of_api(tracers) and _is_of_api(meters):
        return SILENT
    chosen = Telemetry() if option is None else option
    return OpenTelemetry(
        chosen.tracer_provider or tracers, chosen.meter_provider or meters, application, chosen.interval
    )


def _is_of_api(provider: object) -> bool:
    """Return whether a provider is one of the API itself, which records nothing."""
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


class OpenTelemetry:
    """Records with a tracer and a meter.

    Args:
        tracers: the tracer provider.
        meters: the meter provider.
        application: the name of the application.
        interval: how often gauges are read, in seconds.
    """

    on = True

    def __init__(self, tracers: Any, meters: Any, application: str, interval: float) -> None:
        from opentelemetry import context, trace
        from opentelemetry.metrics import Observation
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.interval = interval
        self.tracer = tracers.get_tracer(_SCOPE)
        self.context = context
        self.api = trace
        self.kinds = {each.name: each for each in trace.SpanKind}
        self.failed = trace.Status(trace.StatusCode.ERROR)
        self._common = {APPLICATION: application} if application else {}
        self.propagator = TraceContextTextMapPropagator()
        meter = meters.get_meter(_SCOPE)
        self._board = board_of(meter, Observation)
        self._recorders = {each: _instrument(meter, each) for each in METRICS if each.kind != "gauge"}

    def attributes(self, found: Attributes) -> Attributes:
        return {**self._common, **found}

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        self._recorders[metric](value, attributes)

    def publish(self, readings: Sequence[Reading], expired: Sequence[Reading] = ()) -> None:
        self._board.publish(self, readings, expired, 3 * self.interval)

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
    ) -> Span | Measured:
        if kind.nested and not self.api.get_current_span().is_recording():
            return Measured(self, duration, attributes if labels is None else labels)
        found = self._links(links) if links else None
        return Span(self, (kind, name, attributes, found, parent), duration, labels, current)

    def measured(self, duration: Metric, labels: Attributes) -> Measured:
        return Measured(self, duration, labels)

    def trace(self) -> Trace | None:
        found = self.api.get_current_span().get_span_context()
        if not found.is_valid:
            return None
        # As the propagator of the API writes it, which takes five times as long.
        carrier = {"traceparent": f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"}
        if found.trace_state:
            carrier["tracestate"] = found.trace_state.to_header()
        return carrier

    def _links(self, traces: Sequence[Trace]) -> list[Any]:
        distinct = {each.get("traceparent"): each for each in traces}
        found: list[Any] = []
        for each in list(distinct.values())[:_LINKS]:
            spoken = self.api.get_current_span(self.propagator.extract(each)).get_span_context()
            if spoken.is_valid:
                found.append(self.api.Link(spoken))
        return found


class Measured:
    """The duration of a block, without a span. Nothing if there is no metric of it."""

    __slots__ = ("_began", "_duration", "_labels", "_recorder")

    def __init__(self, recorder: OpenTelemetry, duration: Metric | None, labels: Attributes) -> None:
        self._recorder = recorder
        self._duration = duration
        self._labels = labels

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took, labels = perf_counter() - self._began, self._labels
        if isinstance(error, Exception):
            labels = {**labels, ERROR_TYPE: type_of(error)}
        if self._duration is not None and (error is None or isinstance(error, Exception | GeneratorExit)):
            self._recorder.record(self._duration, took, labels)


class Span:
    """A span of a block, current in the block."""

    __slots__ = ("_began", "_current", "_duration", "_labels", "_recorder", "_span", "_started", "_token")

    def __init__(
        self,
        recorder: OpenTelemetry,
        started: tuple[SpanType, str, Attributes, Sequence[Any] | None, Trace | None],
        duration: Metric | None,
        labels: Attributes | None,
        current: bool,
    ) -> None:
        self._recorder = recorder
        self._started = started
        self._duration = duration
        self._labels = started[2] if labels is None else labels
        self._current = current
        self._token: Any = None

    def __enter__(self) -> Self:
        recorder = self._recorder
        kind, name, attributes, links, parent = self._started
        api, context = recorder.api, recorder.context.get_current()  # read once: each call reads a context variable
        if parent and not api.get_current_span(context).get_span_context().is_valid:
            context = recorder.propagator.extract(parent, context=context)
        self._span = recorder.tracer.start_span(
            f"{kind.operation} {name}" if name else kind.operation,
            context,
            recorder.kinds[kind.kind],
            attributes,
            links,
        )
        if self._current:
            self._token = recorder.context.attach(api.set_span_in_context(self._span, context))
        self._began = perf_counter()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recorder, span, took = self._recorder, self._span, perf_counter() - self._began
        if self._current:
            recorder.context.detach(self._token)
        labels, cancelled = self._labels, False
        if error is not None and not isinstance(error, GeneratorExit):
            cancelled = not isinstance(error, Exception)
            if cancelled:
                span.set_attribute(CANCELLED, True)
            else:
                found = type_of(error)
                span.set_status(recorder.failed)
                span.set_attribute(ERROR_TYPE, found)
                labels = {**labels, ERROR_TYPE: found}
        span.end()
        if self._duration is not None and not cancelled:
            recorder.record(self._duration, took, labels)


def type_of(error: BaseException) -> str:
    """Return the class of an exception, as the attribute `error.type` names it. Its text may be content of a message."""
    found = type(error.error if isinstance(error, Wrapper) else error)
    return found.__qualname__ if found.__module__ == "builtins" else f"{found.__module__}.{found.__qualname__}"


def _instrument(meter: Any, metric: Metric) -> Any:
    """Return the function that records a measurement of a counter or histogram."""
    if metric.kind == "counter":
        return meter.create_counter(metric.name, unit=metric.unit, description=metric.text).add
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.text,
        explicit_bucket_boundaries_advisory=list(metric.buckets),
    ).record
