"""An application that sends commands to another one and consumes its events.

Its sessions see the results of its commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.domains.shops import GetParcel, Order, Parcel, Sold, depot
from twofold import Application, Command, RemoteCommandBus, RemoteSession, Repository, Session
from twofold.errors import ReadNotReady
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory, InMemoryTransport


class Buy(Command[None], name="shop.buy"):
    order_id: str


class Reorder(Command[Parcel | None]):
    order_id: str


@pytest.fixture
def broker() -> InMemoryTransport:
    """Give a broker."""
    return InMemoryTransport()


@asynccontextmanager
async def running(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport, *, relays: bool = True
) -> AsyncIterator[Application]:
    """Run a shop that serves, and a depot that buys from it; give the depot."""
    shop = Application("shop", write=here, transport=broker, lease=0.5)

    @shop.command_handler(Buy)
    async def buy(command: Buy, orders: Repository[Order]) -> None:
        await orders.add(Order.begin(Sold(order_id=command.order_id, number=1)))

    shop.serve(Buy)
    if relays:
        shop.relay(Sold)
    app = Application("depot", write=there, transport=broker, lease=0.5)
    app.include(depot)
    app.consume(Sold, source="shop")
    bus = RemoteCommandBus(broker, "shop")

    @app.command_handler(Reorder)
    async def reorder(command: Reorder, session: Session) -> Parcel | None:
        await bus.dispatch(Buy(order_id=command.order_id))
        return await session.execute(GetParcel(order_id=command.order_id))

    for each in (shop, app):
        await each.create_schema()
    with in_time():
        async with app, shop:
            yield app


async def test_a_session_sees_the_remote_commands_of_its_handlers(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A query after the command waits until the events of the other application have been received and projected."""
    async with running(here, there, broker) as app:
        for number in range(1, 11):
            async with app.session() as session:
                await session.dispatch(Reorder(order_id=f"o{number}"))
                assert session.token
                parcel = await session.execute(GetParcel(order_id=f"o{number}"))
                assert parcel == Parcel(order_id=f"o{number}", numbers=(1,))


async def test_the_token_contains_the_remote_commands_of_handlers(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A session that resumes from the token, `after=`, and the token of a remote session wait for the same events."""
    async with running(here, there, broker) as app:
        async with app.session() as session:
            await session.dispatch(Reorder(order_id="a"))
        assert await app.session(session.token).execute(GetParcel(order_id="a")) is not None
        remote = RemoteSession(broker, "shop")
        await remote.dispatch(Buy(order_id="b"))
        assert await app.execute(GetParcel(order_id="b"), after=remote.token) is not None


async def test_a_handler_does_not_wait_for_its_remote_commands(
    here: WriteStore, there: WriteStore, broker: InMemoryTransport
) -> None:
    """A query inside the handler is answered without waiting, as after a write of the handler itself."""
    async with running(here, there, broker, relays=False) as app, app.session() as session:
        assert await session.dispatch(Reorder(order_id="a")) is None
        with pytest.raises(
            ReadNotReady, match=r"events of 'shop' .* have not arrived here, at 'depot\.shop'.*the relay of 'shop'"
        ) as raised:
            await session.execute(GetParcel(order_id="a"), timeout=0.05)
        assert raised.value.sources == ("shop",)
        answer = await session.execute_stale(GetParcel(order_id="a"))
        assert (answer.value, answer.lag) == (None, None)


async def test_no_query_waits_for_an_application_that_is_not_consumed(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """If the events of the other application are not consumed, a session does not wait for them."""
    async with running(here, InMemory(), broker):
        other = Application("office", write=InMemory(), transport=broker)
        bus = RemoteCommandBus(broker, "shop")

        class Order(Command[None]):
            order_id: str

        @other.command_handler(Order)
        async def order(command: Order) -> None:
            await bus.dispatch(Buy(order_id=command.order_id))

        await other.create_schema()
        async with other, other.session() as session:
            await session.dispatch(Order(order_id="a"))
            assert session.token == ""
