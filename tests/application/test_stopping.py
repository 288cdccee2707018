"""Work in progress when an application stops."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal

import anyio
import pytest

from twofold import Application, CommandBus, Query, Router
from twofold.errors import TransientFailure
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.bank import Deposit, GetBalance, Open, Opened, application
from twofold.testing.conformance._tools.in_time import in_time, until


class Reading(Query[int]):
    """Returns how often it was answered. The second answer waits, and then meets a closed store."""


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


async def test_a_live_query_that_is_answered_when_the_application_stops_ends(store: WriteStore) -> None:
    """An error of the closing store ends the iteration, and is not raised. Before the stop, it is raised."""
    answering, closed, answers = anyio.Event(), anyio.Event(), list[int]()
    router = Router("reading")

    @router.query_handler(Reading)
    async def read(query: Reading) -> int:
        if answers:
            answering.set()
            await closed.wait()
            raise TransientFailure("cannot read: the store is closed")
        return 1

    app = await application(store, router)
    with in_time():
        async with anyio.create_task_group() as tasks:
            await app.__aenter__()
            tasks.start_soon(follow, app, answers)
            await until(lambda: bool(answers), "the first answer was to arrive")
            await app.dispatch(Open(account_id="a"))
            await answering.wait()
            await app.__aexit__()
            closed.set()
        async with app:
            closed.set()
            with pytest.raises(TransientFailure):
                await follow(app, answers)
    assert answers == [1]


async def follow(app: Application, answers: list[int]) -> None:
    """Collect the answers of a live query until it ends."""
    async with aclosing(app.subscribe(Reading())) as found:
        async for answer in found:
            answers += [answer]
