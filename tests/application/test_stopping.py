"""Work in progress when an application stops."""

from __future__ import annotations

from decimal import Decimal

import anyio

from twofold import CommandBus, Router
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.bank import Deposit, GetBalance, Open, Opened, application
from twofold.testing.conformance._tools.in_time import in_time


async def test_an_event_handler_under_way_when_the_application_stops_is_finished(store: WriteStore) -> None:
    """A stop is not a failure: a running event handler dispatches its commands as usual and is not retried."""
    begun, leaving, runs = anyio.Event(), anyio.Event(), 0
    router = Router("welcome")

    @router.event_handler(Opened, name="welcome")
    async def welcome(event: Opened, commands: CommandBus) -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await leaving.wait()
        await commands.dispatch(Deposit(account_id=event.account_id, amount=Decimal(5)))

    app = await application(store, router)
    with in_time():
        await app.__aenter__()
        await app.dispatch(Open(account_id="a"))
        await begun.wait()
        leaving.set()
        await app.__aexit__()
        async with app:
            await app.settle()
            balance = await app.execute(GetBalance(account_id="a"))
            parked = await app.operations.parked("welcome")
    assert balance is not None
    assert (balance.balance, runs, list(parked)) == (Decimal(5), 1, [])
