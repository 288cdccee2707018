"""The lab detects faults."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from tests.crash.audit import faults
from tests.crash.broken import Torn, Unfenced
from tests.crash.lab import Lab, with_logs
from tests.crash.points import Fate
from tests.crash.shop import Balance, Deposit, Sell, Till, application
from tests.crash.stores import Stores, opened
from tests.servers.kind import administer
from twofold.ports import ParkedEvent, Position, RowChange, WriteTransaction
from twofold.testing.conformance._tools.in_time import CEILING, until

Tamper = Callable[[WriteTransaction, Path, Path], Awaitable[None]]

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


async def _lost_answer(transaction: WriteTransaction, journal: Path, steps: Path) -> None:
    await anyio.Path(journal).write_text("never\n")


async def _old_generation(transaction: WriteTransaction, journal: Path, steps: Path) -> None:
    lines = [json.dumps(["owners", 0, *step]) for step in ((1, 5), (2, 9), (1, 8), (1, 12))]
    await anyio.Path(steps).write_text("\n".join(lines))


async def _wrong_row(transaction: WriteTransaction, journal: Path, steps: Path) -> None:
    changed = RowChange("account0", Balance(account="account0", openings=3), Position(10**6))
    await transaction.rows(Balance).write([changed])


async def _missing_row(transaction: WriteTransaction, journal: Path, steps: Path) -> None:
    await transaction.rows(Balance).write([RowChange("account0", None, Position(10**6))])


async def _wrong_state(transaction: WriteTransaction, journal: Path, steps: Path) -> None:
    found = await transaction.state(Till).load("till0")
    assert found is not None
    assert isinstance(found.aggregate, Till)
    found.aggregate.total += 1
    await transaction.state(Till).update("till0", found.aggregate, expected=found.version)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (_lost_answer, "command never was answered and is not in the log"),
        (_old_generation, "owners, partition 0: generation 2 moved to 9 behind generation 1 at 12"),
        (_wrong_row, "Balance account0 is account='account0' openings=3"),
        (_missing_row, "Balance account0 is None"),
        (_wrong_state, "till till0 is"),
    ],
)
async def test_the_audit_reports_each_fault(lab: Lab, tmp_path: Path, tamper: Tamper, found: str) -> None:
    """An audit of an unchanged shop finds no fault. An audit of a changed shop finds exactly the change."""
    journal, steps = tmp_path / "journal", tmp_path / "steps"
    async with opened(lab.url) as store, application(store, work=True, lease=1.0) as app:
        await app.dispatch(Deposit(by="first", account="account0", amount=700))
        await app.dispatch(Sell(by="second", account="account0", till="till0", amount=500))
        await app.settle(timeout=CEILING)
        journal.write_text("first\nsecond\n")
        assert await faults(Stores(store, store), [journal], steps) == []
        transaction = await store.begin()
        await tamper(transaction, journal, steps)
        await transaction.commit()
        (fault,) = await faults(Stores(store, store), [journal], steps)
    assert found in fault


async def test_the_audit_names_subscriptions_that_are_not_done(lab: Lab, tmp_path: Path) -> None:
    """The audit reports a partition with a lag, a parked event, and the missing effects of that event."""
    async with opened(lab.url) as store:
        app = application(store, work=False, lease=1.0)
        async with app:
            await app.dispatch(Deposit(by="deposit", account="account1", amount=500))
            await app.dispatch(Sell(by="sale", account="account0", till="till0", amount=500))
        event = (await store.log.read_all()).events[-1]
        administer(lab.url, ["DELETE FROM twofold_checkpoints WHERE subscription = 'balances'"])
        transaction = await store.begin()
        await transaction.parked.add("rewards", [ParkedEvent(event, "key", "why", 1, event.time)])
        await transaction.commit()
        found = "\n".join(await faults(Stores(store, store), [], tmp_path / "steps"))
    assert "sale sale was rewarded 0 times" in found
    assert "deposit deposit bore interest 0 times" in found
    assert "is scheduled still" in found
    assert "owners has Partition(number=0" in found
    assert "balances has never run" in found
    assert "rewards has parked" in found
    assert "Owner owner0 is None" in found


async def test_the_lab_notices_a_checkpoint_outside_of_the_transaction(lab: Lab) -> None:
    """Killed between the effect and its checkpoint, a worker without that promise does something twice."""
    lab.writer(0)
    await lab.more(5)
    await lab.worker(store=Torn).killed()
    with pytest.raises(AssertionError, match="expected"):
        await lab.finish()


async def test_the_lab_notices_a_worker_that_writes_after_it_was_replaced(lab: Lab, url: str) -> None:
    """The audit reports a worker that slept longer than its lease and overwrote rows of its successor."""
    if url.startswith("sqlite"):
        pytest.skip("the pause must precede the only write lock of SQLite, and may then hit a transaction without rows")
    lab.writer(0)
    paused = lab.worker(Fate("before", "begin", 12, signal.SIGSTOP), store=Unfenced)
    lab.worker()
    await until(paused.is_paused, with_logs("the worker was to pause", *lab.members))
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    paused.send(signal.SIGCONT)
    await lab.held_by(2)
    with pytest.raises(AssertionError, match="behind generation"):
        await lab.finish()
