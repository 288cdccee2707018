"""Commands that read the event log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Json, in_shop
from tests.cli.shop import Place

ROOT = Path(__file__).resolve().parents[2]


def test_the_last_events_are_shown(seeded: Call, as_json: Json) -> None:
    """The newest is at the end, and filters select."""
    products = [each["payload"]["product"] for each in as_json("events")["events"]]
    assert products == ["lamp", "lantern"]
    (last,) = as_json("events", "--limit", "1")["events"]
    assert last["payload"]["product"] == "lantern"
    (found,) = as_json("events", "--stream", "shop_order-0", "--type", "shop.placed")["events"]
    assert found["version"] == 1
    assert as_json("events", "--type", "shop.unknown")["events"] == []
    assert "shop.placed" in seeded("events").stdout


def test_a_path_shows_what_handled_the_events(seeded: Call, as_json: Json) -> None:
    """From the command to the parked event handler."""
    (lantern,) = as_json("events", "--stream", "shop_order-1")["events"]
    shown = seeded("path", lantern["correlation_id"])
    assert shown.exit_code == 0
    for text in ("shop.place ", "shop.placed", "projection order_rows: passed", "mail: parked: ConnectionError"):
        assert text in shown.stdout
    (root,) = as_json("path", lantern["correlation_id"])["roots"]
    assert [each["name"] for each in root["children"]] == ["shop.placed"]
    assert seeded("path", "00000000-0000-7000-8000-000000000000").exit_code == 1


def test_new_events_are_followed(seeded: Call) -> None:
    """A line appears when another process appends an event."""
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters", "."))
    with subprocess.Popen(
        [sys.executable, "-m", "twofold_cli", "events", "--follow", "--after", "1", "--json"],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["payload"]["product"] == "lantern"
        in_shop(lambda app: app.dispatch(Place(order_id="2", product="rope")))
        assert json.loads(process.stdout.readline())["payload"]["product"] == "rope"
        process.kill()


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x9b2J", "\r\n99  forged", "\u202egnp.exe", "\u2028", "[red]x[/red]"])
def test_stored_texts_cannot_change_the_terminal(seeded: Call, as_json: Json, hostile: str) -> None:
    """Control characters of keys, streams and payloads are escaped in every form. JSON still has the stored text."""
    in_shop(lambda app: app.dispatch(Place(order_id=f"2{hostile}", product="lantern")))
    (last,) = as_json("events", "--limit", "1")["events"]
    assert last["payload"]["order_id"] == f"2{hostile}"
    for command in (
        ("events", "--limit", "1"),
        ("events", "--json"),
        ("parked", "list"),
        ("path", last["correlation_id"]),
    ):
        shown = seeded(*command).stdout
        assert "".join(shown.split("\n")).isprintable(), command
        assert not any(line.startswith("99") for line in shown.split("\n"))


def test_a_row_of_a_table_is_one_line(seeded: Call, as_json: Json) -> None:
    """Whole names and ids can be copied. A long payload is cut with its length."""
    in_shop(lambda app: app.dispatch(Place(order_id="2", product="x" * 100_000)))
    (last,) = as_json("events", "--limit", "1")["events"]
    header, *_, row = seeded("events").stdout.splitlines()
    assert header.startswith("position")
    assert all(each in row for each in ("shop_order-2", "shop.placed", last["correlation_id"], "characters)"))
    assert len(row) < 1_000


def test_a_closed_pipe_ends_the_command_quietly(seeded: Call) -> None:
    """As after `twofold events | head -1`: the exit code is that of SIGPIPE, and nothing is on standard error."""
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters", "."))
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (("events",), ("events", "--json")):
        result = subprocess.run(
            [sys.executable, "-m", "twofold_cli", *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (141, "")
    os.close(writer)
