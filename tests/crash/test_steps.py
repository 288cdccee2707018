"""Durable steps of processes that are killed: a kept result is never asked for again, an unknown one is, with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.crash.lab import Member
from tests.crash.stepping import Moment, Place, application, work
from tests.crash.stores import opened


async def killed_and_continued(url: str, folder: Path, moment: Moment, on_unknown: str = "repeat") -> dict[str, Any]:
    """Kill a process at a moment of its step, and let another one continue. Return the calls and the stored data."""
    journal = folder / "journal"
    async with opened(url) as store:
        app = application(store, journal, "never", work=False)
        await app.create_schema()
        async with app:
            await app.dispatch(Place(order_id="a"))
            first = Member("first", folder / "first.log", work, url, journal, moment, on_unknown)
            await first.killed()
            second = Member("second", folder / "second.log", work, url, journal, "never", on_unknown)
            await second.stopped()
            placed, *charged = [event async for event in store.log.read("a")]
            parked = await store.parked.read("payments")
            return {
                "keys": journal.read_text().split(),
                "receipts": [each.data for each in charged],
                "parked": [each.reason.partition(":")[0] for each in parked],
                "steps": [each.state for each in await store.steps.read("payments", placed.id)],
            }


@pytest.mark.parametrize("moment", ["in the call", "before the result is kept"])
async def test_a_call_with_an_unknown_outcome_is_repeated_with_its_key(
    url: str, tmp_path: Path, moment: Moment
) -> None:
    """The call took effect and its result was not kept: the next process makes the call with the same key."""
    found = await killed_and_continued(url, tmp_path, moment)
    assert found["keys"] == [found["keys"][0]] * 2
    assert found["receipts"] == ['{"order_id":"a","receipt":2}']
    assert (found["parked"], found["steps"]) == ([], [])


async def test_a_kept_result_is_never_asked_for_again(url: str, tmp_path: Path) -> None:
    """The result was kept and the event was not handled: the next process uses the result."""
    found = await killed_and_continued(url, tmp_path, "after the result is kept")
    assert len(found["keys"]) == 1
    assert found["receipts"] == ['{"order_id":"a","receipt":1}']
    assert (found["parked"], found["steps"]) == ([], [])


@pytest.mark.parametrize("moment", ["in the call", "before the result is kept"])
async def test_an_unknown_outcome_is_raised_on_request(url: str, tmp_path: Path, moment: Moment) -> None:
    """With `on_unknown="raise"` the next process does not make the call, and the event is parked."""
    found = await killed_and_continued(url, tmp_path, moment, "raise")
    assert len(found["keys"]) == 1
    assert found["receipts"] == []
    assert (found["parked"], found["steps"]) == (["StepUnknown"], ["begun"])
