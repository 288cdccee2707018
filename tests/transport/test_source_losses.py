"""A source whose log went back, by a failover or a restored backup, is reported until an operator accepts the loss."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backups import take_backup
from tests.domains.shops import GetParcel, Rename, Sell, selling, settled, shipping
from twofold import Application, Session
from twofold.errors import ReadNotReady
from twofold.ports import Transport, WriteStore
from twofold.testing.conformance._tools.dial import Dial
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory

CONSUMER = "depot.shop"


async def codes(app: Application) -> list[str]:
    """Return the codes of the problems of an application."""
    return [problem.code for problem in (await app.health()).problems]


async def payloads(depot: Application) -> list[Any]:
    """Return the events that the depot has recorded and the shop has lost."""
    return [event.payload for event in await depot.operations.lost_events(CONSUMER)]


async def is_reported(depot: Application) -> None:
    """Wait until the loss is reported."""

    async def found() -> bool:
        return await codes(depot) == ["source_lost_events"]

    await until(found, "the loss was to be reported")


@pytest.mark.parametrize("later", ["nothing", "a sale", "sales and other events"])
async def test_lost_events_are_reported_and_listed(
    here: WriteStore, there: WriteStore, broker: Transport, later: str
) -> None:
    """Whether the log is shorter than before or longer, whatever has the lost positions now."""
    clock = Dial()
    async with shipping(there, broker) as depot, selling(here, broker, clock=clock) as shop:
        await shop.dispatch(Sell(order_id="a", number=3))
        await shop.settle()
        kept, restore = await here.log.head(), await take_backup(here)
        await shop.dispatch(Sell(order_id="b", number=2))
        await settled(shop, depot)
        assert await codes(depot) == []
        await restore()
        clock.time = clock.after(60)
        await shop.operations.replay("relay", after=kept)
        if later != "nothing":
            await shop.dispatch(Sell(order_id="c"))
        if later == "sales and other events":
            for _ in range(3):
                await shop.dispatch(Rename(order_id="c"))
            await shop.dispatch(Sell(order_id="d", number=2))
        await is_reported(depot)
        await settled(shop, depot)
        assert await payloads(depot) == [{"order_id": "b", "number": number} for number in (1, 2)]
        assert await depot.operations.accept_loss(CONSUMER)
        await shop.dispatch(Sell(order_id="e"))
        await settled(shop, depot)
        assert (await codes(depot), await payloads(depot)) == ([], [])
        assert not await depot.operations.accept_loss(CONSUMER)


async def test_another_process_reports_the_loss(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """The loss is stored: a process that receives nothing reports it, also after a restart."""
    clock = Dial()
    async with shipping(there, broker) as depot, selling(here, broker, clock=clock) as shop:
        kept, restore = await here.log.head(), await take_backup(here)
        await shop.dispatch(Sell(order_id="a"))
        await settled(shop, depot)
        await restore()
        clock.time = clock.after(60)
        await shop.operations.replay("relay", after=kept)
        await is_reported(depot)
    async with shipping(there, broker, work=False) as depot:
        assert "source_lost_events" in await codes(depot)
        assert await payloads(depot) == [{"order_id": "a", "number": 1}]


async def test_another_log_is_a_loss(there: WriteStore, broker: Transport) -> None:
    """An application that starts again with an empty database has lost all its events."""
    clock = Dial()
    async with shipping(there, broker) as depot:
        async with selling(InMemory(), broker, clock=clock) as shop:
            await shop.dispatch(Sell(order_id="a"))
            await settled(shop, depot)
        clock.time = clock.after(60)
        async with selling(InMemory(), broker, clock=clock) as shop:
            await shop.dispatch(Sell(order_id="b"))
            await settled(shop, depot)
            await is_reported(depot)
            assert await payloads(depot) == [{"order_id": "a", "number": 1}]


async def test_a_repetition_is_not_a_loss(here: WriteStore, there: WriteStore, broker: Transport) -> None:
    """A relay that publishes old events again reports earlier positions, and has lost nothing."""
    clock = Dial()
    async with shipping(there, broker) as depot, selling(here, broker, clock=clock) as shop:
        for order in "abc":
            await shop.dispatch(Sell(order_id=order, number=2))
        await settled(shop, depot)
        for _ in range(2):
            clock.time = clock.after(3600)
            await shop.operations.replay("relay", after=0)
            await settled(shop, depot)
            assert await codes(depot) == []
        assert await depot.operations.lost_events(CONSUMER) == ()


@pytest.mark.parametrize("renamed", [False, True], ids=["a sale", "a sale and another event"])
@pytest.mark.parametrize("later", [1, 4])
async def test_a_token_of_a_lost_event_is_not_answered(
    here: WriteStore, there: WriteStore, broker: Transport, renamed: bool, later: int
) -> None:
    """The event was lost before it was published. New events take its position, or pass it, and do not stand for it."""

    async def write(session: Session, order: str, number: int) -> None:
        await session.dispatch(Sell(order_id=order, number=number))
        if renamed:
            await session.dispatch(Rename(order_id=order))

    async with shipping(there, broker) as depot:
        async with selling(here, broker) as shop:
            await shop.dispatch(Sell(order_id="a"))
            await settled(shop, depot)
        restore = await take_backup(here)
        async with selling(here, broker, work=False) as shop, shop.session() as lost:
            await write(lost, "b", 1)
        await restore()
        async with selling(here, broker) as shop, shop.session() as session:
            await write(session, "c", later)
            await settled(shop, depot)
            parcel = await depot.execute(GetParcel(order_id="c"), after=session.token, timeout=CEILING)
            assert parcel is not None
            assert len(parcel.numbers) == later
        with pytest.raises(ReadNotReady, match="has lost the events, by a failover") as caught:
            await depot.execute(GetParcel(order_id="b"), after=lost.token, timeout=0)
        assert caught.value.sources == ("shop",)
        with pytest.raises(ReadNotReady):
            await depot.session(lost.token).execute(GetParcel(order_id="b"), timeout=0)
        assert (await depot.session().execute_stale(GetParcel(order_id="b"), after=lost.token)).lag is None


async def test_an_unknown_consumer(there: WriteStore, broker: Transport) -> None:
    """The error lists the consumers."""
    async with shipping(there, broker) as depot:
        with pytest.raises(LookupError, match=r"no consumer 'other'\. Consumers: depot\.shop\."):
            await depot.operations.lost_events("other")
        with pytest.raises(LookupError, match=r"no consumer 'other'"):
            await depot.operations.accept_loss("other")
