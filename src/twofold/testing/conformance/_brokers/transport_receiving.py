"""Receiving: at-least-once delivery in order per key, with unsettled messages, redelivery and cancellation."""

from __future__ import annotations

import anyio
from anyio.abc import TaskStatus

from twofold.ports import Delivery, WireMessage

from .._tools.in_time import WHOLE_TEST, in_time, until
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
    """The cases of `TransportSuite` about accepting messages and about redelivery."""

    published = 5_000
    """The number of messages for many processes."""
    processes = 50
    """The number of processes that share these messages."""
    in_order = 1_000
    """The number of messages that keep their order through redeliveries."""

    async def test_many_processes_share_many_messages(self, new_broker: NewBroker) -> None:
        """Processes of one consumer share its messages. Without failures, each message reaches exactly one process."""
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
                with in_time(WHOLE_TEST):
                    for _ in range(self.processes):
                        await tasks.start(receive)
                    for first in range(0, len(sent), 500):
                        await publish(transport, *sent[first : first + 500])
                    await everything.wait()
                tasks.cancel_scope.cancel()
            assert by_key(found) == by_key(sent)

    async def test_redelivery_keeps_the_order(self, new_broker: NewBroker) -> None:
        """Messages of a key stay in order, even if consumers close repeatedly with open messages among accepted ones."""
        async with new_broker() as connect:
            transport = await connect()
            wanted = feed(partitions=2)
            sent = [message(str(number), key=f"k{number % 7}") for number in range(self.in_order)]
            await transport.declare(wanted)
            await publish(transport, *sent)
            done: list[WireMessage] = []
            skipped: set[WireMessage] = set()
            batch = self.in_order // 10
            while len(done) < len(sent):
                async with transport.consume(wanted) as consumer:
                    found = await taken(consumer, min(batch, len(sent) - len(done)))
                    keys, good = set[str | None](), list[Delivery]()
                    for each in found:
                        now = each.message
                        if now.key in keys or (int(now.body) % 5 == 0 and now not in skipped):
                            keys.add(now.key)
                            skipped.add(now)
                        else:
                            good.append(each)
                    await consumer.accept(good)
                    done += contents(good)
            assert by_key(done) == by_key(sent)

    async def test_receiving_does_not_wait_for_unsettled_deliveries(self, new_broker: NewBroker) -> None:
        """A consumer receives more messages while earlier ones are open, up to the limit."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(10)
            await transport.declare(feed())
            await publish(transport, *sent)
            for _ in range(2):  # new messages first, then redeliveries
                async with transport.consume(feed()) as consumer:
                    found: list[Delivery] = []
                    while len(found) < 10:
                        with in_time():
                            some = await consumer.receive(limit=3)
                        assert 1 <= len(some) <= 3
                        found += some
                    assert contents(found) == sent

    async def test_unsettled_deliveries_are_redelivered(self, new_broker: NewBroker) -> None:
        """Open messages of a closed consumer reach the next process, before later messages of their key."""
        async with new_broker() as connect:
            sent = messages(6)
            transport = await connect()
            await transport.declare(feed())
            await publish(transport, *sent)
            for _ in range(2):
                other = await connect()
                async with other.consume(feed()) as consumer:
                    assert contents(await taken(consumer, 3)) == sent[:3]
            assert await left(transport, feed()) == sent

    async def test_accepted_messages_are_deleted(self, new_broker: NewBroker) -> None:
        """An accepted message is never redelivered, even if messages around it are."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(9)
            await transport.declare(feed())
            await publish(transport, *sent)
            async with transport.consume(feed()) as consumer:
                found = await taken(consumer, 9)
                await consumer.accept(found[1::2])
            async with transport.consume(feed()) as consumer:
                await consumer.accept([])
                assert await accepted(consumer, 5) == sent[0::2]
            assert await left(transport, feed()) == []

    async def test_three_close_and_the_next_gets_all(self, new_broker: NewBroker) -> None:
        """Three processes close with a hundred open messages each. The next process receives every message."""
        async with new_broker() as connect:
            transport = await connect()
            sent = [message(str(number), key=f"k{number % 11}") for number in range(150)]
            await transport.declare(feed(partitions=2))
            await publish(transport, *sent)
            for _ in range(3):
                async with (await connect()).consume(feed(partitions=2)) as consumer:
                    await taken(consumer, 100)
            async with transport.consume(feed(partitions=2)) as consumer:
                assert by_key(await accepted(consumer, 150)) == by_key(sent)

    async def test_a_cancelled_receive_loses_nothing(self, new_broker: NewBroker) -> None:
        """A receive that is cancelled at any moment loses nothing. The next call returns the messages in order."""
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

    async def test_waiting_messages_are_counted(self, new_broker: NewBroker) -> None:
        """A feed counts its unsettled messages, received or not, and no messages of other feeds."""
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
            await until(three)
            assert await left(transport, feed()) == sent[2:]
            assert await transport.waiting(feed("other", "shop.other")) == 3
