"""A shop with something on every page: parked events and messages, processes, schedule, caches, workers, pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.adapters.console.shop import HOSTILE, GetOrder, Place, new_billing, new_shop
from tests.transport.wire import sold
from twofold import Application, Event, Router
from twofold.testing.conformance._domain import fulfilment
from twofold_memory import InMemoryTransport

CONSUMER = "shop.depot"


class Delivered(Event, name="depot.delivered"):
    order_id: str


@asynccontextmanager
async def consuming() -> AsyncIterator[tuple[Application, str]]:
    """Run a shop that has parked a message of a stranger, whose id is hostile. Give the shop, and the id."""
    transport = InMemoryTransport()
    async with _consuming(transport) as shop:
        yield shop, await _send_poison(transport, shop, HOSTILE)


@asynccontextmanager
async def seeded() -> AsyncIterator[Application]:
    """Run a shop with something on every page."""
    transport = InMemoryTransport()
    handlers = fulfilment.Handlers(failing={("refund", "4711"): fulfilment.Undeclared})
    async with _consuming(transport, fulfilment.fulfilling(handlers)) as shop:
        await shop.dispatch(Place(order_id="1"))
        await shop.dispatch(Place(order_id="2", product=HOSTILE))
        for command in (
            fulfilment.Order(order_id="4711"),
            fulfilment.Order(order_id="4712"),
            fulfilment.Reject(order_id="4711"),
        ):
            await shop.dispatch(command)
            await shop.settle()
        await _send_poison(transport, shop, HOSTILE)
        await _send_poison(transport, shop, "a-message-without-an-order")
        await shop.execute(GetOrder(order_id="1"))
        await shop.execute(GetOrder(order_id="1"))
        await shop.operations.pause("handler_07", reason=HOSTILE)
        yield shop


@asynccontextmanager
async def _consuming(transport: InMemoryTransport, *routers: Router) -> AsyncIterator[Application]:
    shop = new_shop(refuses="onerror", handlers=27, transport=transport)
    for each in routers:
        shop.include(each)
    shop.consume(Delivered, source="depot")
    async with new_billing(transport), shop:  # it receives what the shop relays
        yield shop


async def _send_poison(transport: InMemoryTransport, shop: Application, name: str) -> str:
    """Send a message that cannot be recorded, and return when it is parked."""
    message = sold(1, source=HOSTILE)._replace(id=name, topic="depot.delivered")
    await transport.publisher.publish([message])
    await shop.settle()
    return name
