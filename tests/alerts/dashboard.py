"""The panels of the dashboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.alerts.rules import DASHBOARD

_VARIABLES: Final = {"$application": ".*", "$subscription": ".*", "$__rate_interval": "5s"}
"""The values of the variables, as Grafana sets them when everything is chosen."""


class Panel(NamedTuple):
    """One expression of the dashboard.

    Attributes:
        title: the title of its panel.
        expression: the expression, without variables.
        labels: the labels that its legend and its grouping name.
    """

    title: str
    expression: str
    labels: set[str]


def panels() -> Iterator[Panel]:
    """Yield the panels that have an expression."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    for each in found:
        for target in each.get("targets", ()):
            yield Panel(each["title"], _expanded(target["expr"]), _labels(target))


def _expanded(expression: str) -> str:
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def _labels(target: dict[str, Any]) -> set[str]:
    """Return the labels of a target. The functions of histograms remove `le`."""
    grouping = {label.strip() for found in re.findall(r"by \(([^)]+)\)", target["expr"]) for label in found.split(",")}
    legend = set(re.findall(r"{{\s*(\w+)\s*}}", target.get("legendFormat", "")))
    return (grouping | legend) - {"le"}
