"""The faults of the lab: all are tested, and the runbook shows where each is visible."""

from __future__ import annotations

from tests.alerts import test_lab
from tests.alerts.faults import FAULTS, TESTED, table
from tests.alerts.rules import RUNBOOK, rules


def test_the_lab_causes_every_fault() -> None:
    """Each fault belongs to a test, and each alert to a fault."""
    assert test_lab.__doc__
    assert set(FAULTS) == TESTED
    assert {each.alert for each in FAULTS} == {each["alert"] for each in rules()}


def test_the_runbook_shows_where_faults_are_visible() -> None:
    """The table of the page is that of the tests."""
    assert f"\n{table()}\n" in RUNBOOK.read_text("utf-8")
