"""The command about events of another application that its log has lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.cli import depot
from tests.cli.conftest import Call
from tests.transport.wire import mark, sold
from twofold.testing.conformance._tools.in_time import until

NOW = datetime.now(UTC)


def receive() -> None:
    """Let the depot receive two sales, and then reports of a log without them."""

    async def run() -> None:
        async with depot.opened() as app, app:

            async def reported() -> bool:
                # The later log has another identity.
                await depot.BROKER.publisher.publish([mark(1, "another log")])
                return [each.code for each in (await app.health()).problems] == ["source_lost_events"]

            early = (NOW - timedelta(minutes=1)).isoformat()
            await depot.BROKER.publisher.publish([sold(number, time=early) for number in (1, 2)])
            await app.settle()
            await until(reported, "the loss was to be reported")

    anyio.run(run)


def test_a_loss_is_listed_and_accepted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events are listed until the loss is accepted."""
    monkeypatch.setenv("TWOFOLD_APP", "tests.cli.depot:opened")
    assert call("schema", "create").exit_code == 0
    receive()
    assert "twofold lost depot.shop --accept" in call("health").stdout
    shown = call("lost", "depot.shop", "--json").stdout
    assert [each["payload"]["number"] for each in json.loads(shown)] == [1, 2]
    assert call("lost", "depot.shop", "--accept", input="n\n").exit_code != 0
    accepted = call("lost", "depot.shop", "--accept", "--yes")
    assert "shop.sold" in accepted.stdout
    assert "The loss is accepted. The events stay in the log of depot." in accepted.output
    assert "No event is lost." in call("lost", "depot.shop").output
    assert call("health").exit_code == 0


def test_an_unknown_consumer(call: Call) -> None:
    """The error is one line."""
    assert call("schema", "create").exit_code == 0
    failed = call("lost", "other")
    assert failed.exit_code == 3
    assert "There is no consumer 'other'. Consumers: none." in failed.output
