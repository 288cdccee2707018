"""The commands about parked messages, on a depot that has parked messages of strangers."""

from __future__ import annotations

import anyio
import pytest

from tests.cli import depot
from tests.cli.conftest import Call, Json
from tests.transport.wire import sold
from twofold_memory import InMemoryTransport

CLEAR = "\x1b[2J"


@pytest.fixture
def parked(call: Call, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the depot park two messages, one of them with a hostile id and reason. Return their ids."""
    monkeypatch.setenv("TWOFOLD_APP", "tests.cli.depot:opened")
    monkeypatch.setattr(depot, "BROKER", InMemoryTransport())
    assert call("schema", "create").exit_code == 0
    sent = [
        sold(1, source=f"{CLEAR}stranger"),
        sold(2, type="shop.unknown", data={"password": "hunter2"})._replace(id=CLEAR),
    ]

    async def run() -> None:
        async with depot.opened() as app, app:
            await depot.BROKER.publisher.publish(sent)
            await app.settle()

    anyio.run(run)
    return [each.id for each in sent]


def test_parked_messages_are_listed_and_shown(parked: list[str], call: Call, as_json: Json) -> None:
    """Health and status name them. Secrets are masked, and control characters of strangers are escaped."""
    assert "`twofold messages list depot.shop`" in call("health").stdout
    assert [each["parked"] for each in as_json("status") if each["kind"] == "consumer"] == [2]
    assert [line.split()[:2] for line in call("status").stdout.splitlines()[1:]] == [["depot.shop", "consumer"]]
    listed = call("messages", "list")
    assert (listed.exit_code, CLEAR in listed.stdout, "\\u001b" in listed.stdout) == (1, False, True)
    assert [each["id"] for each in as_json("messages", "list", "depot.shop")] == parked
    for identity in parked:
        (found,) = as_json("messages", "show", "depot.shop", identity)
        assert found["topic"] == "shop.sold"
        shown = call("messages", "show", "depot.shop", identity)
        assert (shown.exit_code, CLEAR in shown.stdout, "hunter2" in shown.stdout) == (0, False, False)
    assert as_json("messages", "show", "depot.shop", parked[0])[0]["content"]["data"] == {"order_id": "a", "number": 1}


def test_parked_messages_are_discarded(parked: list[str], call: Call, as_json: Json) -> None:
    """A dry run and a missing confirmation change nothing."""
    command = ("messages", "discard", "depot.shop")
    assert parked[0] in call(*command, "--all", "--dry-run").stdout
    assert call(*command, "--all").exit_code == 2
    assert len(as_json("messages", "list")) == 2
    assert "1 message(s) were discarded." in call(*command, parked[0], "--yes").stdout
    assert [each["id"] for each in as_json("messages", "list")] == parked[1:]
    assert call(*command, "--all", "--yes").exit_code == 0
    assert (call("messages", "list").stdout, call("health").exit_code) == ("No message is parked.\n", 0)


def test_parked_messages_are_retried(parked: list[str], call: Call, as_json: Json) -> None:
    """The messages are delivered again, and wait for a worker."""
    command = ("messages", "retry", "depot.shop")
    assert parked[0] in call(*command, parked[0], "--dry-run").stdout
    assert len(as_json("messages", "list")) == 2
    assert "1 message(s) are delivered again" in call(*command, parked[0]).stdout
    assert [each["id"] for each in as_json("messages", "list")] == parked[1:]
    assert call(*command, "--all").exit_code == 0
    assert as_json("messages", "list") == []


def test_a_wrong_call(parked: list[str], call: Call) -> None:
    """The error is one line, with its exit code."""
    for command in ("retry", "discard"):
        assert call("messages", command, "depot.shop").exit_code == 2
        assert call("messages", command, "depot.shop", parked[0], "--all").exit_code == 2
        failed = call("messages", command, "depot.shop", "m1")
        assert (failed.exit_code, "no message of depot.shop with the id 'm1' is parked" in failed.output) == (3, True)
    failed = call("messages", "list", "other")
    assert (failed.exit_code, "Consumers: depot.shop." in failed.output) == (3, True)
    assert call("messages", "show", "depot.shop", "m1").exit_code == 3
