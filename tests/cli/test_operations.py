"""Commands that show and repair what runs, on seeded states, read by a program and by a person."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.cli.conftest import Call, Json, in_shop
from tests.cli.shop import Place
from twofold import Application
from twofold.testing.conformance._tools.in_time import until


def test_status_lists_every_subscription(seeded: Call, as_json: Json) -> None:
    """A program reads name, state, lag and parked events."""
    found = {each["name"]: each for each in as_json("status")}
    assert (found["order_rows"]["lag"], found["mail"]["parked"], found["mail"]["kind"]) == (0, 1, "event_handler")
    _, rows, mail = seeded("status").stdout.splitlines()
    assert (rows.split()[:3], mail.split()[:3]) == (
        ["order_rows", "projection", "no"],
        ["mail", "event_handler", "no"],
    )


def test_status_names_the_processes_of_other_workers(seeded: Call) -> None:
    """The state is that of all processes: this command runs no subscription itself."""

    async def look(app: Application) -> None:
        async def covered() -> bool:
            return all(each.covered for each in await app.operations.status())

        await until(covered, "the worker was to run every partition")
        shown = await anyio.to_thread.run_sync(lambda: seeded("status").stdout)
        assert all("running" in line and f"/{os.getpid()}" in line for line in shown.splitlines()[1:]), shown

    in_shop(look)


def test_the_state_is_the_same_for_people_and_programs(seeded: Call, as_json: Json) -> None:
    """This command runs no subscription, which says nothing about the others."""
    assert {each["state"] for each in as_json("status")} == {"no worker"}
    assert all("no worker" in line for line in seeded("status").stdout.splitlines()[1:])


@pytest.mark.parametrize("command", ["health", "status"])
def test_a_store_that_fails_is_reported(
    call: Call, as_json: Json, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A report says so, not an error. Missing tables are named with the command that creates them."""
    result = call(command)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "a store fails: cannot open the store" in result.stdout
    assert "`twofold schema create`" in result.stdout
    assert [each["code"] for each in as_json(command)["problems"]] == ["store_failed"]
    monkeypatch.setenv("SHOP_DATABASE", "postgresql+asyncpg://postgres@127.0.0.1:1/shop")
    result = call(command)
    assert (result.exit_code, "a store does not answer" in result.stdout, result.stderr) == (1, True, "")
    assert [each["code"] for each in as_json(command)["problems"]] == ["store_unavailable"]


def test_the_advice_of_health_names_commands(seeded: Call) -> None:
    """A person at a shell has no Python session."""
    shown = seeded("health").stdout
    for command in ("`twofold parked list mail`", "`twofold worker`"):
        assert command in shown
    seeded("pause", "mail")
    shown += seeded("health").stdout
    assert "`twofold resume mail`" in shown
    assert "app.operations" not in shown


def test_a_parked_event_is_shown(seeded: Call, as_json: Json) -> None:
    """As lines for a person, with the payload as JSON, and as JSON for a program."""
    (parked,) = as_json("parked", "list")
    place = ("mail", parked["key"], parked["id"])
    fields, _, payload = seeded("parked", "show", *place).stdout.partition("payload:\n")
    assert "reason: ConnectionError: no mail about lantern" in fields.splitlines()
    assert (
        json.loads(payload) == as_json("parked", "show", *place)["payload"] == {"order_id": "1", "product": "lantern"}
    )


def test_health_reports_problems_by_its_exit_code(seeded: Call, as_json: Json) -> None:
    """A parked event is a problem."""
    assert not as_json("health")["healthy"]
    result = seeded("health")
    assert (result.exit_code, "mail" in result.stdout) == (1, True)


def test_a_parked_event_is_repaired(seeded: Call, as_json: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list names key and reason. Once the cause is gone, a retry with a worker leaves no parked event."""
    (parked,) = as_json("parked", "list")
    assert (parked["subscription"], parked["reason"]) == ("mail", "ConnectionError: no mail about lantern")
    monkeypatch.delenv("SHOP_REFUSES")

    async def retry(app: Application) -> None:
        assert await app.operations.retry("mail", parked["key"]) == []

    in_shop(retry)
    assert as_json("parked", "list") == []


def test_parked_events_are_listed_in_pages(seeded: Call, as_json: Json) -> None:
    """A table says where the next page begins. A program gets all events by default."""

    async def seed(app: Application) -> None:
        for number in range(2, 5):
            await app.dispatch(Place(order_id=str(number), product="lantern"))
        await app.settle()

    in_shop(seed)
    every = as_json("parked", "list")
    assert len(every) == 4
    assert as_json("parked", "list", "--limit", "2") == every[:2]
    after = str(every[1]["position"])
    assert f"twofold parked list mail --after {after}" in seeded("parked", "list", "--limit", "2").stdout
    assert as_json("parked", "list", "mail", "--after", after) == every[2:]
    assert "--after" not in seeded("parked", "list", "mail", "--limit", "2", "--after", after).stdout
    assert seeded("parked", "list", "--after", after).exit_code == 2
    assert seeded("parked", "list", "mail", "--after", "999").exit_code == 3


def test_a_parked_event_is_edited(seeded: Call, as_json: Json, tmp_path: Path) -> None:
    """Its payload is replaced for this subscription, and the edit is shown."""
    (parked,) = as_json("parked", "list")
    place = ("mail", parked["key"], parked["id"])
    file = tmp_path / "payload.json"
    file.write_text('{"order_id": "1", "product": "lamp"}')
    assert seeded("parked", "edit", *place, "--payload", str(file), "--by", "ada", "--yes").exit_code == 0
    shown = as_json("parked", "show", *place)
    assert (shown["payload"]["product"], shown["edit"]["by"]) == ("lamp", "ada")
    file.write_text("[]")
    assert seeded("parked", "edit", *place, "--payload", str(file), "--yes").exit_code == 2


def test_single_fields_of_a_parked_event_are_edited(seeded: Call, as_json: Json) -> None:
    """A value is JSON or else a text, and the other fields stay. An unclear change is refused."""
    (parked,) = as_json("parked", "list")
    place = ("mail", parked["key"], parked["id"])
    assert seeded("parked", "edit", *place, "--set", "product=two lamps", "--yes").exit_code == 0
    payload = as_json("parked", "show", *place)["payload"]
    assert payload == {"order_id": "1", "product": "two lamps"}
    assert seeded("parked", "edit", *place, "--set", "product=2", "--yes").exit_code == 3
    assert seeded("parked", "edit", *place, "--set", "product", "--yes").exit_code == 2
    assert seeded("parked", "edit", *place, "--yes").exit_code == 2


def test_a_parked_event_is_discarded_after_confirmation(seeded: Call, as_json: Json) -> None:
    """Without a terminal, --yes is required. A dry run changes nothing."""
    (parked,) = as_json("parked", "list")
    refused = seeded("parked", "discard", "mail", parked["key"])
    assert (refused.exit_code, "--yes" in refused.output) == (2, True)
    assert parked["id"] in seeded("parked", "discard", "mail", parked["key"], "--dry-run").stdout
    assert seeded("parked", "discard", "mail", parked["key"], "--id", parked["id"], "--yes").exit_code == 0
    assert as_json("parked", "list") == []


def test_a_rebuild_fills_the_rows_again(seeded: Call) -> None:
    """The command ends when the rows are swapped."""
    result = seeded("rebuild", "order_rows")
    assert (result.exit_code, "order_rows was rebuilt" in result.stdout) == (0, True)


def test_projections_are_realigned(seeded: Call) -> None:
    """Without lost events nothing is rebuilt. A named projection is, and an event handler cannot be."""
    assert "No projection" in seeded("realign").stdout
    assert "Repaired: order_rows." in seeded("realign", "order_rows").stdout
    assert seeded("realign", "mail").exit_code == 3


def test_a_pause_is_durable(seeded: Call, as_json: Json) -> None:
    """Another process sees the pause with its reason, until it is resumed."""
    assert seeded("pause", "mail", "--reason", "mail server away").exit_code == 0
    (mail,) = [each for each in as_json("status") if each["name"] == "mail"]
    assert (mail["state"], mail["pause"][1]) == ("paused", "mail server away")
    assert "is resumed" in seeded("resume", "mail").stdout
    assert "was not paused" in seeded("resume", "mail").stdout
    assert {each["pause"] for each in as_json("status")} == {None}


def test_a_replay_needs_a_confirmation(seeded: Call) -> None:
    """Side effects run again, so the command asks."""
    assert seeded("replay", "mail", "--after", "0").exit_code == 2
    assert "position 0" in seeded("replay", "mail", "--after", "0", "--yes").stdout
    assert seeded("replay", "mail", "--after", "yesterday", "--yes").exit_code == 2
    beyond = seeded("replay", "mail", "--after", str(2**63), "--yes")
    assert (beyond.exit_code, "below 2**63" in beyond.stderr) == (3, True)


def test_a_retry_without_a_worker_says_so(seeded: Call, as_json: Json) -> None:
    """The request stays, and the error names what is missing."""
    (parked,) = as_json("parked", "list")
    result = seeded("parked", "retry", "mail", parked["key"], "--timeout", "0.1")
    assert (result.exit_code, "no worker has finished the retry" in result.stderr) == (3, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("rebuild", "nothing"),
        ("parked", "list", "nothing"),
        ("pause", "nothing"),
        ("parked", "retry", "mail", "nothing"),
    ],
)
def test_an_unknown_name_is_a_failure_that_lists_the_known_ones(seeded: Call, arguments: tuple[str, ...]) -> None:
    """The error is one line on standard error, without a traceback."""
    result = seeded(*arguments)
    assert (result.exit_code, result.stderr.count("Error:")) == (3, 1)
    assert "order_rows" in result.stderr or "shop_order-1" in result.stderr


def test_the_schedule_is_listed(seeded: Call, as_json: Json) -> None:
    """Empty lists are lists for a program, and a sentence for a person."""
    assert as_json("scheduled", "list") == as_json("scheduled", "stuck") == []
    assert "No command is stuck" in seeded("scheduled", "stuck").stdout
    assert seeded("scheduled", "retry", "nothing").exit_code == 1
