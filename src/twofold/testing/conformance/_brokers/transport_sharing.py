"""Several consumers, several processes of one consumer, and the partitions that they share."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from anyio.abc import TaskStatus

from twofold.errors import ConfigurationError
from twofold.ports import Feed, Outcome, Transport, WireMessage

from .._tools.capabilities import Capabilities
from .._tools.in_time import WHOLE_TEST, in_time
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


class SharingCases:
    """The cases of `TransportSuite` about several consumers and processes."""

    async def test_each_consumer_gets_everything(self, new_broker: NewBroker) -> None:
        """Each of two consumers receives every message, and settles it without affecting the other."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(30)
            async with transport.consume(feed("a")) as a, (await connect()).consume(feed("b")) as b:
                await publish(transport, *sent)
                found = await taken(a, 30)
                assert await accepted(b, 30) == contents(found) == sent
            async with transport.consume(feed("a")) as a:
                assert await accepted(a, 30) == sent
            assert await left(transport, feed("b")) == []

    async def test_messages_are_stored_for_a_declared_feed(self, new_broker: NewBroker) -> None:
        """Messages are stored for a declared consumer that does not run. Declaring it again changes nothing."""
        async with new_broker() as connect:
            transport = await connect()
            sent = messages(4)
            for each in sent:
                await transport.declare(feed())
                await publish(transport, each)
            async with (await connect()).consume(feed()) as consumer:
                first = await taken(consumer, 2)
                await (await connect()).declare(feed())
                await consumer.accept(first)
            assert await left(transport, feed()) == sent[2:]

    async def test_a_feed_that_was_never_declared_has_no_messages(self, new_broker: NewBroker) -> None:
        """An undeclared consumer has no waiting and no parked messages. Asking for them is not an error."""
        async with new_broker() as connect:
            transport = await connect()
            assert await transport.waiting(feed("nobody", partitions=2)) == 0
            assert not await transport.delete_consumer("nobody")

    async def test_a_consumer_is_deleted(self, new_broker: NewBroker, capabilities: Capabilities) -> None:
        """Deleting a consumer removes its waiting and parked messages only. Its name can be used again."""
        async with new_broker() as connect:
            transport = await connect()
            gone, stays = feed("gone", partitions=3), feed("stays")
            for each in (gone, stays):
                await transport.declare(each)
            sent = messages(3)
            await publish(transport, *sent)
            async with transport.consume(gone) as consumer:
                await consumer.park((await taken(consumer, 1))[0], "no")
            assert await (await connect()).delete_consumer("gone")
            assert not await transport.delete_consumer("gone")
            assert await transport.waiting(gone) == 0
            assert list(await transport.parked("gone")) == []
            again = feed("gone")
            await transport.declare(again)
            assert await left(transport, again) == []
            assert (await left(transport, stays))[:3] == sent
            for name in ("gone", "stays"):
                assert await transport.delete_consumer(name)
            if capabilities.returns_unroutable:
                with in_time():
                    assert list(await transport.publisher.publish([message()])) == [Outcome.UNROUTABLE]

    async def test_a_new_consumer_begins_now(self, new_broker: NewBroker) -> None:
        """A consumer with `start="now"` receives only messages that are published after its declaration."""
        async with new_broker() as connect:
            transport = await connect()
            before, after = messages(2)
            await transport.declare(feed("old"))
            await publish(transport, before)
            await transport.declare(feed("new"))
            await publish(transport, after)
            assert await left(transport, feed("new")) == [after]
            assert (await left(transport, feed("old")))[:2] == [before, after]

    async def test_a_new_consumer_begins_at_the_beginning(
        self, new_broker: NewBroker, capabilities: Capabilities
    ) -> None:
        """A consumer with `start="beginning"` first receives stored messages.

        Declaring it again does not restart it.
        """
        if not capabilities.begins_at_the_beginning:
            pytest.skip("the broker keeps no message for those who come later")
        async with new_broker() as connect:
            transport = await connect()
            first, second, third = messages(3)
            await transport.declare(feed("old"))
            await publish(transport, first, second)
            new = feed("new", start="beginning")
            async with transport.consume(new) as consumer:
                assert await accepted(consumer, 2) == [first, second]
            await transport.declare(new)
            await publish(transport, third)
            assert await left(transport, new) == [third]

    async def test_another_number_of_partitions_is_refused(self, new_broker: NewBroker) -> None:
        """Declaring an existing consumer with another number of partitions is refused: its keys would change partitions."""
        async with new_broker() as connect:
            transport = await connect()
            if transport.partitions(feed(partitions=3)) != 3:
                pytest.skip("the broker has its own number of partitions")
            await transport.declare(feed(partitions=3))
            with pytest.raises(ConfigurationError):
                await transport.declare(feed(partitions=4))
            await transport.declare(feed(partitions=3))

    async def test_more_topics_are_added(self, new_broker: NewBroker) -> None:
        """A consumer that is declared with one more topic receives that topic as well, and loses no message."""
        async with new_broker() as connect:
            transport = await connect()
            old, more = feed(), feed("mail", "shop.placed", "shop.paid")
            await transport.declare(old)
            first, second = message("1"), message("2", topic="shop.paid")
            await publish(transport, first)
            await transport.declare(more)
            await publish(transport, second)
            assert await left(transport, more) == [first, second]

    async def test_a_partition_belongs_to_one_process_at_a_time(self, new_broker: NewBroker) -> None:
        """Two processes never have open messages of one partition.

        When one process stops, the other receives the rest.
        """
        async with new_broker() as connect:
            wanted = feed(partitions=4)
            transport = await connect()
            await transport.declare(wanted)
            sent = [message(str(number), key=f"k{number % 23}") for number in range(200)]
            work = _Work(len(sent))
            async with anyio.create_task_group() as tasks:
                with in_time(WHOLE_TEST):
                    await tasks.start(work.run, await connect(), wanted, "first", 30)
                    await tasks.start(work.run, await connect(), wanted, "second", len(sent))
                    for start in range(0, len(sent), 20):
                        await publish(transport, *sent[start : start + 20])
                    await work.ended.wait()
                tasks.cancel_scope.cancel()
            assert by_key(work.done) == by_key(sent)
            assert work.workers == {"first", "second"}

    async def test_a_key_stays_in_its_partition(self, new_broker: NewBroker) -> None:
        """All messages of a key are in one partition. Partitions are numbered from 0."""
        async with new_broker() as connect:
            transport = await connect()
            wanted = feed(partitions=4)
            async with transport.consume(wanted) as consumer:
                await publish(transport, *[message(key=f"k{number % 40}") for number in range(120)])
                found = await taken(consumer, 120)
                await consumer.accept(found)
            partitions = {each.message.key: each.partition for each in found}
            assert all(partitions[each.message.key] == each.partition for each in found)
            assert set(partitions.values()) <= set(range(transport.partitions(wanted)))
            assert len(set(partitions.values())) > 1


class _Work:
    """Two processes that share messages and record whether both have messages of one partition at the same time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done: list[WireMessage] = []
        self.workers: set[str] = set()
        self.ended = anyio.Event()
        self._open: dict[int, Counter[str]] = {}

    async def run(
        self,
        transport: Transport,
        wanted: Feed,
        name: str,
        limit: int,
        *,
        task_status: TaskStatus[None],
    ) -> None:
        """Handle at least this number of messages, then stop with a few still open."""
        mine = 0
        async with transport.consume(wanted) as consumer:
            task_status.started()
            while True:
                deliveries = await consumer.receive(limit=10)
                for each in deliveries:
                    self._open.setdefault(each.partition, Counter())[name] += 1
                    holders = [who for who, count in self._open[each.partition].items() if count]
                    assert holders == [name], f"partition {each.partition} is held by {holders}"
                await anyio.sleep(0.002)
                self.workers.add(name)
                if mine >= limit:
                    break
                mine += len(deliveries)
                self.done += contents(deliveries)
                for each in deliveries:
                    self._open[each.partition][name] -= 1
                await consumer.accept(deliveries)
                if len(self.done) >= self.number:
                    self.ended.set()
            for counts in self._open.values():
                counts.pop(name, None)
