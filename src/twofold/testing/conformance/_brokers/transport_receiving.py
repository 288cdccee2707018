"""Receiving: every message at least once, those of one key in order, whatever is refused, left open or cancelled."""

from __future__ import annotations

import anyio
from anyio.abc import TaskStatus

from twofold.ports import Delivery, WireMessage

from .._tools.in_time import in_time, until
from .._tools.transport_opened import (
    NewBroker,
    accepted,
    by_key,
    contents,
    feed,
    left,
    message,
    messages,
    publish,
    taken,
)


class ReceivingCases:
    """What happens to deliveries that are accepted, refused, or not settled."""

    published = 5_000
    """How many messages go to many processes."""
    processes = 50
    """How many processes share them."""
    in_order = 1_000
    """How many messages are refused now and then and keep their order."""

    async def test_many_processes_share_many_messages(self, new_broker: NewBroker) -> None:
        """All that is published arrives at one of them, and at no other as long as all goes well."""
        async with new_broker() as connect:
            transport = await connect()
            wanted = feed(partitions=8)
            sent = [message(str(number), key=f"k{number % 199}") for number in range(self.published)]
            found: list[WireMessage] = []
            everything = anyio.Event()

            async def receive(*, task_status: TaskStatus[None]) -> None:
                async with transport.consume(wanted) as consumer:
                    task_status.started()
                    while True:
                        deliveries = await consumer.receive(limit=50)
                        await consumer.accept(deliveries)
                        found.extend(contents(deliveries))
                        if len(found) >= len(sent):
                            everything.set()

            async with anyio.create_task_group() as tasks:
                with in_time(60):
                    for _ in range(self.processes):
                        await tasks.start(receive)
                    for first in range(0, len(sent), 500):
                        await publish(transport, *sent[first : first + 500])
                    await everything.wait()
                tasks.cancel_scope.cancel()
            assert by_key(found) == by_key(sent)

    async def test_refusing_keeps_the_order(self, new_broker: NewBroker) -> None:
        """However often messages are refused, together with what follows of their keys, those of a key are in order."""
        async with new_broker() as connect:
            transport = await connect()
            sent = [message(str(number), key=f"k{number % 7}") for number in range(self.in_order)]
            done: list[WireMessage] = []
            refused: set[WireMessage] = set()
            async with transport.consume(feed(partitions=2)) as consumer:
                await publish(transport, *sent)
                while len(done) < len(sent):
                    with in_time():
                        deliveries = await consumer.receive(limit=40)
                        keys, back, good = set[str | None](), list[Delivery](), list[Delivery]()
                        for each in deliveries:
                            now = each.message
                            if now.key in keys or (int(now.body) % 5 == 0 and now not in refused):
                                keys.add(now.key)
                                refused.add(now)
                                back.append(each)
                            else:
                                good.append(each)
                        await consumer.refuse(back)
                        await consumer.accept(good)
                    done += contents(good)
            assert by_key(done) == by_key(sent)

    async def test_a_refused_message_comes_before_its_followers(self, new_broker: NewBroker) -> None:
        """It is delivered again, the attempt counted, before what comes after it of its key."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(6)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                for attempt in (1, 2, 3):
                    found = await taken(consumer, 2)
                    assert contents(found) == sent[:2]
                    assert [each.attempt for each in found] == [attempt, attempt]
                    await consumer.refuse(found)
                assert await accepted(consumer, 6) == sent

    async def test_it_does_not_wait_for_what_is_open(self, new_broker: NewBroker) -> None:
        """More is received while earlier messages are not settled, and no more at once than was asked for."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(10)
            async with transport.consume(feed()) as consumer:
                await publish(transport, *sent)
                for _ in range(2):  # the second time all of them are there at once
                    found: list[Delivery] = []
                    while len(found) < 10:
                        with in_time():
                            some = await consumer.receive(limit=3)
                        assert 1 <= len(some) <= 3
                        found += some
                    assert contents(found) == sent
                    await consumer.refuse(found)

    async def test_what_is_not_settled_comes_again(self, new_broker: NewBroker) -> None:
        """Left open by a process that ends, it goes to the next one, before what follows, as another attempt."""
        async with new_broker() as connect:
            sent = messages(6)
            transport = await connect()
            await transport.declare(feed())
            await publish(transport, *sent)
            for attempt in (1, 2):
                other = await connect()
                async with other.consume(feed()) as consumer:
                    found = await taken(consumer, 3)
                    assert contents(found) == sent[:3]
                    assert [each.attempt for each in found] == [attempt] * 3
            assert await left(transport, feed()) == sent

    async def test_what_is_accepted_is_gone(self, new_broker: NewBroker) -> None:
        """Accepted messages never come again, also when others around them do."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(9)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                found = await taken(consumer, 9)
                await consumer.accept(found[1::2])
                await consumer.refuse(found[0:1])
            async with transport.consume(feed()) as consumer:
                await consumer.accept([])
                await consumer.refuse([])
                assert await accepted(consumer, 5) == sent[0::2]
            assert await left(transport, feed()) == []

    async def test_three_refuse_and_the_next_gets_all(self, new_broker: NewBroker) -> None:
        """Three processes give a hundred messages back each; a later one gets every message."""
        async with new_broker() as connect:
            transport = await connect()
            sent = [message(str(number), key=f"k{number % 11}") for number in range(150)]
            await transport.declare(feed(partitions=2))
            await publish(transport, *sent)
            for _ in range(3):
                async with (await connect()).consume(feed(partitions=2)) as consumer:
                    await consumer.refuse(await taken(consumer, 100))
            async with transport.consume(feed(partitions=2)) as consumer:
                assert by_key(await accepted(consumer, 150)) == by_key(sent)

    async def test_a_cancelled_receive_loses_nothing(self, new_broker: NewBroker) -> None:
        """Cancelled at any moment, it has received nothing: the messages come at the next call, in order."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(60)
            found: list[WireMessage] = []
            async with transport.consume(feed()) as consumer, anyio.create_task_group() as tasks:

                async def slowly() -> None:
                    for each in sent:
                        await publish(transport, each)
                        await anyio.sleep(0.001)

                tasks.start_soon(slowly)
                patience = 0.0
                with in_time():
                    while len(found) < len(sent):
                        deliveries: list[Delivery] = []
                        with anyio.move_on_after(patience % 0.01):
                            deliveries += await consumer.receive(limit=5)
                        await consumer.accept(deliveries)
                        found += contents(deliveries)
                        patience += 0.0013
            assert found == sent

    async def test_what_waits_is_counted(self, new_broker: NewBroker) -> None:
        """A feed counts what is not settled, received or not, and nothing of other feeds."""
        async with new_broker() as connect:
            transport = await connect()
            await transport.declare(feed())
            await transport.declare(feed("other", "shop.other"))
            assert await transport.waiting(feed()) == 0
            sent = messages(5)
            await publish(transport, *sent, *messages(3, topic="shop.other"))
            assert await transport.waiting(feed()) == 5
            async with transport.consume(feed()) as consumer:
                found = await taken(consumer, 4)
                await consumer.accept(found[:2])

                async def three() -> bool:
                    return await transport.waiting(feed()) == 3

                await until(three)
                await consumer.refuse(found[2:])
                await until(three)
            assert await left(transport, feed()) == sent[2:]
            assert await transport.waiting(feed("other", "shop.other")) == 3
