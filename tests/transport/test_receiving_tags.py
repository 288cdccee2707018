"""Events of other applications get the tags that their receiver declares."""

from __future__ import annotations

from tests.domains.shops import Sell, selling, settled
from twofold import Application, Boundary, Command, Event, select
from twofold.ports import Transport, WriteStore


class Shipped(Event, name="shop.sold", tags=("order_id",)):
    """The sales of the shop, as another application declares them."""

    order_id: str
    number: int


class Count(Command[int]):
    order_id: str


async def test_received_events_have_the_tags_of_the_receiver(
    broker: Transport, here: WriteStore, there: WriteStore
) -> None:
    """A boundary reads the events that were received from another application, by the tags that the receiver declares."""
    app = Application("depot", write=there, transport=broker)
    app.consume(Shipped, source="shop")

    @app.command_handler(Count)
    async def count(command: Count, boundary: Boundary) -> int:
        return len(await boundary.read(select(Shipped, order_id=command.order_id)))

    await app.create_schema()
    async with selling(here, broker) as shop, app:
        for order_id in ("a", "b"):
            await shop.dispatch(Sell(order_id=order_id, number=2))
        await settled(shop, app)
        assert await app.dispatch(Count(order_id="a")) == 2
