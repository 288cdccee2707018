"""Alert rules and dashboard: they name metrics that exist, cover all problems of health, and link to the runbook."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any, get_args

import pytest
import yaml

from tests.alerts.rules import (
    DASHBOARD,
    RULE_TESTS,
    RULES,
    RUNBOOK,
    Rule,
    exported_metrics,
    names_in,
    program,
    rules,
)
from twofold._application.problems import ProblemCode

ALL = list(rules())
BY_GAUGE = {"lag", "backlog", "parked", "no_worker"}
"""The problems whose alerts read a gauge of the subscription."""


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    """Each alert fires and clears as its test says."""
    promtool = program("promtool")
    for command in (["check", "rules", RULES], ["test", "rules", RULE_TESTS]):
        done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_that_fires_and_clears() -> None:
    """The tests of the rules name every alert with expected alerts, and again with none."""
    cases = [
        case for each in yaml.safe_load(RULE_TESTS.read_text("utf-8"))["tests"] for case in each["alert_rule_test"]
    ]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    clears = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == clears == {each["alert"] for each in ALL}


def expressions() -> list[tuple[str, str]]:
    """Return the expressions of the rules and of the dashboard, with the alert or the panel."""
    panels: list[Any] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", ())]
    return [*((each["alert"], each["expr"]) for each in ALL), *shown]


def test_expressions_name_metrics_and_labels_that_exist() -> None:
    """Every name in an expression is a metric, or an attribute of one, as the exporter writes it."""
    metrics, labels = exported_metrics()
    for title, expression in expressions():
        assert names_in(expression) <= metrics | labels, title
        assert names_in(expression) & metrics, title


def test_the_dashboard_shows_every_metric() -> None:
    """No metric is left out, except buckets that belong to a histogram with another panel."""
    metrics, _ = exported_metrics()
    shown = {name for _, expression in expressions() for name in names_in(expression)}
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in metrics}
    assert families - {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} == set()


def test_variables_of_the_dashboard_are_bounded() -> None:
    """A variable lists the values of a label whose values are names in the code."""
    variables = json.loads(DASHBOARD.read_text("utf-8"))["templating"]["list"]
    queries = [each["query"]["query"] for each in variables if each["type"] == "query"]
    assert sorted(re.findall(r", (\w+)\)", " ".join(queries))) == ["twofold_application", "twofold_subscription"]


def test_every_problem_of_health_has_an_alert() -> None:
    """A code of health is in an expression, unless a gauge of the subscription says the same."""
    text = "\n".join(each["expr"] for each in ALL)
    coded = set(re.findall(r"[a-z_]+", " ".join(re.findall(r'twofold_problem_code=~?"([^"]+)"', text))))
    assert coded == set(get_args(ProblemCode)) - BY_GAUGE - {"paused"}


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: str(rule["alert"]))
def test_an_alert_links_to_its_section_of_the_runbook(rule: Rule) -> None:
    """The section has the severity of the alert, says how to see the cause, and how to repair it."""
    link = f"{{{{ $externalLabels.twofold_docs }}}}how-to/alerts.html#{rule['alert'].lower()}"
    assert rule["annotations"]["runbook_url"] == link
    _, _, section = RUNBOOK.read_text("utf-8").partition(f"\n## {rule['alert']}\n\n")
    assert section.startswith(f"**{rule['labels']['severity'].capitalize()}.** ")
    assert re.search(r"\n- \*\*See\*\*: .*\n- \*\*Repair\*\*: ", section.partition("\n## ")[0], re.DOTALL)
