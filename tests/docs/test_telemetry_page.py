"""The page about telemetry has a row for each span and each metric, as the code has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twofold._telemetry.metrics import METRICS
from twofold._telemetry.spans import SPANS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "telemetry.md"


def rows() -> Iterator[str]:
    """Yield the rows of the tables, in the order of the code."""
    for span in SPANS:
        name = f"`{span.operation}` + {span.of}" if span.of else f"`{span.operation}`"
        yield f"| {name} | {span.kind} | {span.text} | {_listed(span.attributes)} |"
    for metric in METRICS:
        yield f"| `{metric.name}` | {metric.kind} | `{metric.unit}` | {metric.text} | {_listed(metric.attributes)} |"


def _listed(attributes: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in attributes)


def test_the_tables_are_those_of_the_code() -> None:
    """The page lists every span and metric with its kind, unit, meaning and attributes, and no other."""
    found = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert found == list(rows())
