"""Telemetry that a test collects with the OpenTelemetry SDK, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from twofold import Telemetry
from twofold._telemetry.metrics import Metric
from twofold._telemetry.spans import SpanType

Point = tuple[Mapping[str, Any], Any]
"""The attributes of a data point and its value: a number, or the number of measurements of a histogram."""


class Collected:
    """Collects spans and metrics. Pass `option` to an application.

    Args:
        interval: how often gauges are read, in seconds.
        sampler: decides which spans are recorded; all by default.
        shortest_span: the shortest duration of a nested span, in seconds.
    """

    def __init__(self, interval: float = 0.01, sampler: Sampler | None = None, shortest_span: float = 0.0) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self._meters = TracerProvider(sampler), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.option = Telemetry(
            tracer_provider=self.tracers, meter_provider=self._meters, interval=interval, shortest_span=shortest_span
        )

    def spans(self, kind: SpanType | None = None) -> Sequence[ReadableSpan]:
        """Return the spans that have ended, of one type or all, in the order of their ends."""
        found = self._exporter.get_finished_spans()
        return [each for each in found if kind is None or each.name.split(" ")[0] == kind.operation]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics with data points, by name."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, metric: Metric) -> Sequence[Point]:
        """Return the data points of a metric."""
        found = self.metrics().get(metric.name)
        points = [] if found is None else found.data.data_points
        return [(dict(each.attributes), getattr(each, "value", getattr(each, "count", None))) for each in points]

    def value(self, metric: Metric, **attributes: Any) -> Any:
        """Return the value of the only data point with these attributes, written with `_` for `.`; None without one."""
        wanted = {name.replace("_", "."): value for name, value in attributes.items()}
        found = [
            value for has, value in self.points(metric) if all(has.get(name) == each for name, each in wanted.items())
        ]
        assert len(found) <= 1, found
        return found[0] if found else None
