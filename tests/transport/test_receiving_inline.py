"""Inline projections of events that are received from another application."""

from __future__ import annotations

import pytest

from tests.domains.shops import GetParcel
from tests.transport.wire import Faults, mark, receiving, sold, taken
from twofold import Application
from twofold.ports import Transport, WriteStore
from twofold.testing.conformance._tools.in_time import until


async def numbers(app: Application) -> tuple[int, ...]:
    """Return the sales of an order that the depot has received."""
    parcel = await app.execute(GetParcel(order_id="a"))
    return parcel.numbers if parcel else ()


async def test_received_events_are_applied_with_their_append(there: WriteStore, broker: Transport) -> None:
    """A received event is in the rows of an inline projection when it is recorded, once, despite redeliveries."""
    async with receiving(there, broker, mode="inline") as depot:
        await taken(broker, sold(1), sold(2), mark(2))
        assert await numbers(depot) == (1, 2)
        await taken(broker, sold(2), sold(1), sold(3), mark(3))
        assert await numbers(depot) == (1, 2, 3)
        assert (await depot.health()).healthy


@pytest.mark.parametrize(("idles", "expected"), [(4, (1, 2, 3)), (99, (1, 3))], ids=["paused", "slow"])
async def test_a_received_event_whose_transaction_idles(
    there: WriteStore, broker: Transport, idles: int, expected: tuple[int, ...]
) -> None:
    """An inline projection that is always too slow for an event does not stop its feed: the event is parked.

    A process that was paused a few times parks nothing: the event is retried first.
    """
    faults = Faults()
    faults.idles = idles
    async with receiving(there, broker, faults, mode="inline") as depot:
        await taken(broker, sold(1), sold(2), sold(3))
        assert await numbers(depot) == expected
        parked = await broker.parked("depot.shop")
        assert ["TransactionIdled" in each.reason for each in parked] == [True] * (3 - len(expected))


async def test_a_received_event_on_which_an_inline_projection_fails(there: WriteStore, broker: Transport) -> None:
    """The event is parked at the broker with the reason, and is recorded and applied when it is delivered again."""
    faults = Faults()
    async with receiving(there, broker, faults, mode="inline") as depot:
        await taken(broker, sold(1))
        faults.on = True
        await taken(broker, sold(2))
        (parked,) = await broker.parked("depot.shop")
        assert "cannot be recorded: ValueError: this one fails" in parked.reason
        assert len((await there.log.read_all()).events) == 1
        faults.on = False
        await broker.unpark("depot.shop", [parked.message.id], again=True)

        async def applied() -> bool:
            return await numbers(depot) == (1, 2)

        await until(applied, "the event was to be applied")
