"""Processes on the command line: list, show, retry."""

from __future__ import annotations

import anyio
import pytest

from tests.cli.conftest import Call, Json
from tests.cli.sagas import opened
from twofold.testing.conformance._domain.fulfilment import NAME, Order, Reject


@pytest.fixture
def stuck(call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line on an application with a waiting process, and one that is stuck at a compensation."""
    monkeypatch.setenv("TWOFOLD_APP", "tests.cli.sagas:opened")
    monkeypatch.setenv("SHOP_REFUSES", "a")
    assert call("schema", "create").exit_code == 0

    async def seed() -> None:
        async with opened() as app, app:
            for command in (Order(order_id="a"), Order(order_id="b"), Reject(order_id="a")):
                await app.dispatch(command)
                await app.settle()

    anyio.run(seed)
    return call


def test_processes_are_listed(stuck: Call, as_json: Json) -> None:
    """The list names key, state and reason. The exit code says that a compensation is stuck."""
    result = stuck("processes", "list")
    assert result.exit_code == 1
    assert "compensation_stuck" in result.stdout
    found = as_json("processes", "list", NAME)
    assert [(each["key"], each["state"]) for each in found] == [("a", "compensation_stuck"), ("b", "waiting")]
    assert [each["key"] for each in as_json("processes", "list", "--state", "waiting")] == ["b"]
    assert stuck("processes", "list", "--state", "failed").stdout == "There is no process.\n"


def test_a_process_is_shown(stuck: Call, as_json: Json) -> None:
    """The attributes of a process are shown with its fields. An unknown key is a failure."""
    shown = as_json("processes", "show", NAME, "a")
    assert (shown["reason"], shown["fields"]["order_id"]) == ("Undeclared: refund", "a")
    assert "compensation_stuck" in stuck("processes", "show", NAME, "a").stdout
    unknown = stuck("processes", "show", NAME, "nothing")
    assert (unknown.exit_code, unknown.stderr.count("Error:")) == (3, 1)


def test_a_stuck_compensation_is_retried(stuck: Call, monkeypatch: pytest.MonkeyPatch, as_json: Json) -> None:
    """A retry is recorded, and the next worker continues the compensation. There is nothing to retry afterwards."""
    monkeypatch.delenv("SHOP_REFUSES")
    assert stuck("processes", "retry", NAME, "a").exit_code == 0

    async def work() -> None:
        async with opened() as app, app:
            await app.settle()

    anyio.run(work)
    assert as_json("processes", "show", NAME, "a")["state"] == "failed"
    again = stuck("processes", "retry", NAME, "a")
    assert (again.exit_code, "is stuck" in again.stderr) == (1, True)
