"""The summary of a run names each promise that was not tested, and the server that was missing."""

from __future__ import annotations

import pytest

from tests.servers import choice
from tests.servers.choice import kinds, runnable
from tests.servers.finding import without
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.servers.untested import Untested


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> Untested:
    """Give the list of a process that finds no Redis and no PostgreSQL."""
    untested = Untested()
    monkeypatch.setattr(choice, "UNTESTED", untested)
    monkeypatch.setattr(choice, "_may_be_found", lambda name: name not in ("redis", "redis-streams", "postgresql"))
    return untested


def test_promises_are_listed_by_server(untested: Untested) -> None:
    """Adapters without their server are left out, and what was left out is listed once for each server."""
    assert runnable(["memory", "redis", "sqlite>redis", "postgresql"], "Sessions, on every adapter.") == ["memory"]
    assert runnable(["redis-streams", "rabbitmq"], "Publishing, over every broker.\n\nMore.") == ["rabbitmq"]

    assert untested.sent() == {"Redis": ["Publishing", "Sessions"], "PostgreSQL": ["Sessions"]}


def test_skipped_tests_are_listed() -> None:
    """A test that its server's fixture has skipped is listed by its module; one that was skipped otherwise is not."""
    untested = Untested()
    untested.add_skipped(f"Skipped: {without(Redis(), {})}", "Rows that are lost.", kinds())
    untested.add_skipped("Skipped: not on this platform", "Clocks.", kinds())

    assert untested.sent() == {"Redis": ["Rows that are lost"]}


def test_the_summary_says_how_to_get_the_server() -> None:
    """Each missing server is named with the ways to get it, followed by its promises, those of other processes included."""
    untested, other = Untested(), Untested()
    untested.add("PostgreSQL", "Sessions, on every adapter.")
    other.add("PostgreSQL", "Snapshots, on every adapter.")
    untested.merge(other.sent())

    first, *promises = untested.lines([PostgreSQL(), Redis()])

    assert first.startswith("PostgreSQL was not found. Run `make services`")
    assert promises == ["  - Sessions", "  - Snapshots"]


def test_a_complete_run_has_no_summary() -> None:
    """Nothing is printed where all servers are found."""
    assert Untested().lines(kinds()) == []
