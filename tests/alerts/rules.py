"""The alert rules, the dashboard, and the names that Prometheus gives to Twofold's metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

from tests.servers.process import binary
from twofold._telemetry.metrics import APPLICATION, METRICS

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "ops" / "prometheus" / "twofold.rules.yml"
RULE_TESTS = ROOT / "ops" / "prometheus" / "twofold.test.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "twofold.json"
RUNBOOK = ROOT / "docs" / "how-to" / "alerts.md"

WHY_NOT = "needs Prometheus: install promtool and prometheus (Debian package prometheus)"
"""The reason of a skip."""

Rule = Mapping[str, Any]
"""An alert rule, as in the file."""

_NAME = re.compile(r"\b(?:twofold|messaging)_[a-z_]+")


def program(name: str) -> str:
    """Return the path of a program of Prometheus; skip the test if it is not installed."""
    found = binary(name)
    if found is None:
        pytest.skip(WHY_NOT)
    return str(found)


def groups() -> list[dict[str, Any]]:
    """Return the groups of rules."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return found


def rules() -> Iterator[Rule]:
    """Yield the alert rules."""
    for group in groups():
        yield from group["rules"]


def names_in(expression: str) -> set[str]:
    """Return the names of Twofold's metrics and labels in an expression."""
    return set(_NAME.findall(expression))


def _observing(attributes: Mapping[str, str]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return a callback that observes one value."""
    return lambda options: [Observation(1, attributes)]


def exported_metrics() -> tuple[set[str], set[str]]:
    """Return the names of all metrics as the exporter of OpenTelemetry's SDK names them, and those of their labels."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        meter = provider.get_meter("twofold")
        for each in METRICS:
            attributes = dict.fromkeys((APPLICATION, *each.attributes), "value")
            if each.kind == "gauge":
                meter.create_observable_gauge(each.name, [_observing(attributes)], each.unit)
            elif each.kind == "counter":
                meter.create_counter(each.name, each.unit).add(1, attributes)
            else:
                meter.create_histogram(each.name, each.unit).record(1, attributes)
        samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    finally:
        provider.shutdown()
    found = [each for each in samples if "twofold_application" in each.labels]
    return {each.name for each in found}, {label for each in found for label in each.labels}
