"""Pausing subscriptions: what cannot be paused, and what a pause refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from twofold import Application, Cache, Command, Event, Query, ReadModel, Retry, UnitOfWork, View, on
from twofold.errors import ApplicationNotRunning
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory, InMemoryCache


class Sold(Event, name="pauses.sold"):
    id: str


class Sell(Command[None]):
    id: str


class Sale(View, name="pauses_sale", key="id"):
    id: str


class Stock(View, name="pauses_stock", key="id"):
    id: str


class GetSale(Query["Sale | None"]):
    id: str


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


def shop() -> Application:
    """Return an application with a subscription of each kind, whose mails fail."""
    app = Application("pauses", write=InMemory(), cache=InMemoryCache())

    @app.command_handler(Sell)
    async def sell(command: Sell, unit: UnitOfWork) -> None:
        unit.record(Sold(id=command.id), stream=f"sale-{command.id}")

    @app.projection("sales")
    class Sales:
        def __init__(self, rows: ReadModel[Sale]) -> None: ...

        @on(Sold)
        async def sold(self, event: Sold) -> None: ...

    @app.projection("stock", mode="inline")
    class Stocks:
        def __init__(self, rows: ReadModel[Stock]) -> None: ...

        @on(Sold)
        async def sold(self, event: Sold) -> None: ...

    @app.event_handler(Sold, name="mail", retry=Retry(attempts=1))
    async def mail(event: Sold) -> None:
        raise LookupError(event.id)

    @app.query_handler(GetSale, reads="sales", cache=Cache(key="{id}", ttl=60, invalidated_by={Sold: "{id}"}))
    async def get_sale(query: GetSale, rows: ReadModel[Sale]) -> Sale | None:
        return await rows.get(query.id)

    return app


@pytest.fixture
async def app() -> AsyncIterator[Application]:
    """Return a running application."""
    async with shop() as app:
        yield app


async def test_an_unknown_subscription_cannot_be_paused(app: Application) -> None:
    """The error for a name that is not registered lists the names that are."""
    for attempt in (app.operations.pause, app.operations.resume):
        with pytest.raises(LookupError, match=r"no subscription 'mails'.*sales, mail"):
            await attempt("mails")


async def test_an_inline_projection_cannot_be_paused(app: Application) -> None:
    """An inline projection is a part of each command, so that it cannot be paused alone."""
    for attempt in (app.operations.pause, app.operations.resume):
        with pytest.raises(ValueError, match="'stock': the projection is inline"):
            await attempt("stock")


async def test_the_invalidation_of_answers_cannot_be_paused(app: Application) -> None:
    """Without the subscription that invalidates cached answers, queries would wait for it."""
    (name,) = [each.name for each in await app.operations.status() if each.kind == "cache"]
    with pytest.raises(ValueError, match="invalidates cached answers"):
        await app.operations.pause(name)


@pytest.mark.parametrize("reason", ["a\0b", "\ud800", "x" * 501, 7])
async def test_a_reason_that_cannot_be_stored_is_refused(app: Application, reason: str) -> None:
    """A reason that a store would refuse or cut is refused, and nothing is paused."""
    with pytest.raises(ValueError, match="the reason must be a str of at most 500 characters"):
        await app.operations.pause("sales", reason=reason)
    assert [each.pause for each in await app.operations.status()] == [None] * 4


async def test_parked_events_of_a_paused_subscription_are_not_retried(app: Application) -> None:
    """A retry during a pause is refused immediately, with the reason of the pause. After `resume` the event is retried."""
    async with app.session() as session:
        await session.dispatch(Sell(id="a"))
    await app.settle()
    (event,) = await app.operations.parked("mail")
    await app.operations.pause("mail", reason="the server is away")
    with in_time(), pytest.raises(ValueError, match=r"the server is away.*operations\.resume\('mail'\)"):
        await app.operations.retry("mail", event.key)
    await app.operations.resume("mail")
    assert [each.attempts for each in await app.operations.retry("mail", event.key)] == [2]


async def test_pausing_needs_a_running_application() -> None:
    """An application that is not entered cannot pause."""
    with pytest.raises(ApplicationNotRunning):
        await shop().operations.pause("sales")
