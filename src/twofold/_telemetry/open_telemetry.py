"""Record through the OpenTelemetry API. This room imports it only if telemetry is on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final

from .blocks import Api, Block, Measured
from .deferred import Deferred
from .gauges import board_of
from .metrics import APPLICATION, METRICS, Metric
from .nested_span import nested_span_type
from .options import Telemetry, TelemetryOption
from .recorder import SILENT, Attributes, Reading, Recorder, Trace
from .spans import SpanType

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
        chosen.tracer_provider or tracers, chosen.meter_provider or meters, application, chosen.interval,
        chosen.shortest_span,
    )  # fmt: skip


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
        shortest: the duration of the shortest nested span, in seconds.
    """

    on = True

    def __init__(
        self, tracers: Any, meters: Any, application: str, interval: float = 5.0, shortest: float = 0.0
    ) -> None:
        from opentelemetry import context, trace
        from opentelemetry.metrics import Observation
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.interval = interval
        meter = meters.get_meter(_SCOPE)
        self._deferred = Deferred()
        self._api = Api(
            tracer=tracers.get_tracer(_SCOPE),
            context=context,
            trace=trace,
            propagator=TraceContextTextMapPropagator(),
            kinds={each.name: each for each in trace.SpanKind},
            failed=trace.Status(trace.StatusCode.ERROR),
            recorders={each: _instrument(meter, each) for each in METRICS if each.kind != "gauge"},
            add=self._deferred.add if application else _immediately,
            lock=Lock(),
            nested=nested_span_type(),
            shortest=int(shortest * 1e9),
        )
        self._common = {APPLICATION: application} if application else {}
        self._board = board_of(meter, Observation)

    def attributes(self, found: Attributes) -> Attributes:
        return {**self._common, **found}

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        self._api.recorders[metric](value, attributes)

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
    ) -> Block | Measured:
        if kind.nested and not self._api.trace.get_current_span().is_recording():
            return Measured(self._api, duration, attributes if labels is None else labels)
        found = self._links(links) if links else None
        return Block(self._api, (kind, name, attributes, found, parent), duration, labels, current)

    def measured(self, duration: Metric, labels: Attributes) -> Measured:
        return Measured(self._api, duration, labels)

    def flush(self) -> None:
        self._deferred.flush()

    def trace(self) -> Trace | None:
        found = self._api.trace.get_current_span().get_span_context()
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
            spoken = self._api.trace.get_current_span(self._api.propagator.extract(each)).get_span_context()
            if spoken.is_valid:
                found.append(self._api.trace.Link(spoken))
        return found


def _immediately(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function. Outside of applications, nothing says when the last call has been made."""
    function(*arguments)


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
