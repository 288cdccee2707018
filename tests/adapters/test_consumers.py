"""Consumers over every broker: their status, their pause, and their parked messages."""

from __future__ import annotations

import anyio
import pytest

from tests.brokers import BROKERS
from tests.domains.shops import GetParcel
from tests.transport.wire import Faults, receiving, sold, taken
from twofold import Application
from twofold.ports import Feed
from twofold.testing.conformance import NewBroker
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory

NAME = "depot.shop"


async def numbers(app: Application) -> tuple[int, ...]:
    """Return the sales that the depot has recorded."""
    parcel = await app.execute(GetParcel(order_id="a"))
    return parcel.numbers if parcel else ()


async def parked(app: Application) -> list[str]:
    """Return what health says about parked messages."""
    return [each.text for each in (await app.health()).problems if each.code == "messages_parked"]


def says(number: int) -> list[str]:
    """Return what health says about a number of parked messages."""
    return [f"{NAME} has parked {number} message(s) that it cannot record"]


def feed_of_depot() -> Feed:
    """Return the feed of the depot."""
    return Feed(consumer=NAME, topics=("shop.sold",))


async def is_in(app: Application, state: str) -> bool:
    """Return whether the consumer of the depot is in a state."""
    return [each.state for each in await app.operations.consumers()] == [state]


class TestConsumers:
    """Consumers of a depot, over every broker."""

    kinds = BROKERS

    async def test_parked_messages_are_counted_and_repaired(self, new_broker: NewBroker) -> None:
        """Health reports the messages that are parked now, in every process and after a restart. `discard` ends it."""
        store = InMemory()
        async with new_broker() as connect:
            async with receiving(store, await connect()) as depot:
                await taken(await connect(), sold(1), *(sold(number, source="stranger") for number in (2, 3)))
                assert await parked(depot) == says(2)
            async with receiving(store, await connect()) as depot, receiving(store, await connect()) as other:
                assert await parked(depot) == await parked(other) == says(2)
                ids = [each.id for each in await other.operations.parked_messages(NAME)]
                assert await other.operations.discard_messages(NAME, ids[:1]) == 1
                assert await parked(depot) == says(1)
                assert [each.parked for each in await depot.operations.consumers()] == [1]
                assert await depot.operations.discard_messages(NAME, ids) == 1
                assert await parked(depot) == await parked(other) == []
                assert (await depot.health()).healthy

    async def test_a_message_that_fails_again_is_parked_again_once(self, new_broker: NewBroker) -> None:
        """A retry delivers the message again. It is parked while it fails, and recorded once it does not."""
        faults = Faults()
        async with new_broker() as connect, receiving(InMemory(), await connect(), faults, mode="inline") as depot:
            faults.on = True
            await taken(await connect(), sold(1))
            for _ in range(2):
                assert await depot.operations.retry_messages(NAME) == 1

                async def is_back() -> bool:
                    return await parked(depot) == says(1)

                await until(is_back, "the message was to be parked again")
            faults.on = False
            assert await depot.operations.retry_messages(NAME) == 1

            async def is_recorded() -> bool:
                return await numbers(depot) == (1,)

            await until(is_recorded, "the message was to be recorded")
            assert (await depot.health()).healthy
            assert await depot.operations.retry_messages(NAME) == 0

    async def test_two_operators_see_all_parked_messages(self, new_broker: NewBroker) -> None:
        """Two processes read them at the same time. Each gets all, and none is lost."""
        store, sent = InMemory(), [sold(number, source="stranger") for number in range(1, 21)]
        async with (
            new_broker() as connect,
            receiving(store, await connect()) as depot,
            receiving(store, await connect()) as other,
        ):
            await taken(await connect(), *sent)
            seen: list[list[str]] = []
            begin = anyio.Event()

            async def look(app: Application) -> None:
                await begin.wait()
                seen.append([each.id for each in await app.operations.parked_messages(NAME)])

            async with anyio.create_task_group() as operators:
                for app in (depot, other):
                    operators.start_soon(look, app)
                begin.set()
            assert seen == [[each.id for each in sent]] * 2
            assert await parked(depot) == says(20)

    async def test_a_paused_consumer_receives_nothing(self, new_broker: NewBroker) -> None:
        """The broker keeps the messages. The status shows the pause. After `resume` each message is recorded once."""
        store = InMemory()
        async with new_broker() as connect:
            async with receiving(store, await connect()) as depot:
                shop = await connect()
                await taken(shop, sold(1))
                await until(lambda: is_in(depot, "receiving"), "the depot was to receive")
                await depot.operations.pause(NAME, reason="it is counted")
                await shop.publisher.publish([sold(2), sold(3)])
                (status,) = await depot.operations.consumers()
                assert status.state == "paused"
                assert status.pause is not None
                assert status.pause.reason == "it is counted"
                assert await shop.waiting(feed_of_depot()) == 2
            async with receiving(store, await connect()) as depot:
                assert await is_in(depot, "paused")
                assert await numbers(depot) == (1,)
                assert await depot.operations.resume(NAME)
                await depot.settle()
                assert await numbers(depot) == (1, 2, 3)
                await until(lambda: is_in(depot, "receiving"), "the depot was to receive again")

    async def test_an_unknown_consumer(self, new_broker: NewBroker) -> None:
        """Operations on its messages name the consumers that there are. A single id is not a sequence of ids."""
        async with new_broker() as connect, receiving(InMemory(), await connect()) as depot:
            operations = depot.operations
            for call in (operations.parked_messages, operations.retry_messages):
                with pytest.raises(LookupError, match=r"no consumer 'other'\. Consumers: depot\.shop\."):
                    await call("other")
            with pytest.raises(LookupError):
                await operations.discard_messages("other", [])
            with pytest.raises(TypeError, match=r"cannot discard the messages 'm1' \(str\): pass a sequence of ids"):
                await operations.discard_messages(NAME, "m1")
