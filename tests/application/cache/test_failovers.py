"""Answers that were cached from events that the log has lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.backups import take_backup
from tests.domains.cached_bank import GetCached, balance, bank
from twofold import Application
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Deposit, Open
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemory


@pytest.mark.parametrize("restarted", [False, True], ids=["live", "restarted"])
async def test_an_answer_of_lost_events_is_dropped(store: CacheStore, restarted: bool) -> None:
    """After the repair, no answer contains a lost event, although another event has its position.

    Answers are invalidated by new events as before, and health reports nothing.
    """
    write, read = InMemory(), InMemory()
    async with bank(store, write=write, read=read) as app:
        for account in "ab":
            await app.dispatch(Open(account_id=account))
        await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
        await app.settle(timeout=CEILING)
        restore = await take_backup(write)
        for account in "ab":
            await app.dispatch(Deposit(account_id=account, amount=Decimal(5)))
        await app.settle(timeout=CEILING)
        for _ in range(2):
            assert await app.execute(GetCached(account_id="a")) == balance(6)
            assert await app.execute(GetCached(account_id="b")) == balance(5, of="b")
        if not restarted:
            await restore()
            await _repaired(app)
    if restarted:
        await restore()
        async with bank(store, write=write, read=read) as app:
            await _repaired(app)


async def _repaired(app: Application) -> None:
    await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
    await app.operations.realign()
    await app.settle(timeout=CEILING)
    assert await app.execute(GetCached(account_id="a")) == balance(3)
    assert await app.execute(GetCached(account_id="b")) == balance(0, of="b")
    await app.dispatch(Deposit(account_id="a", amount=Decimal(4)))
    await app.settle(timeout=CEILING)
    assert await app.execute(GetCached(account_id="a")) == balance(7)
    assert (await app.health()).problems == ()
