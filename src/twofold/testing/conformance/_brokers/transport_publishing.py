"""Publishing: messages arrive unchanged and in order, and an unroutable message is never reported as confirmed."""

from __future__ import annotations

import re

import anyio
import pytest

from twofold.errors import MessageTooLarge
from twofold.ports import LARGEST_BODY, Outcome, Publisher, WireMessage

from .._tools.capabilities import Capabilities
from .._tools.in_time import in_time
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


class PublishingCases:
    """The cases of `TransportSuite` about publishing."""

    topics = 20
    """The number of topics that must not mix."""

    async def test_a_message_arrives_as_it_was(self, new_broker: NewBroker) -> None:
        """Id, topic, key and body arrive unchanged in any script."""
        async with new_broker() as connect:
            transport = await connect()
            sent = [
                WireMessage("0190-id", "shop.placed", "order 1/ü☕", '{"note": "naïve ☕ 日本語", "n": null}'.encode()),
                WireMessage("x" * 200, "shop.placed", "", b""),
                WireMessage("line\nbreak", "shop.placed", "a:b{c}*#", "\x00\n\r\u2028'\"\\".encode()),
            ]
            async with transport.consume(feed()) as consumer:
                await publish(await connect(), *sent)
                found = await taken(consumer, len(sent))
                await consumer.accept(found)
            assert sorted(contents(found)) == sorted(sent)

    async def test_the_messaging_system_has_a_name(self, new_broker: NewBroker) -> None:
        """`system` is a word in lower case, as telemetry names messaging systems."""
        async with new_broker() as connect:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", (await connect()).system)

    async def test_a_mark_is_not_delivered(self, new_broker: NewBroker) -> None:
        """A message with a mark arrives without it. While the broker has lost nothing, no message is refused.

        A broker that can lose messages keeps the last message without a key for each partition.
        """
        async with new_broker() as connect:
            transport = await connect()
            mark = WireMessage("mark", "shop.placed", None, b'{"at": 7}')
            marked = WireMessage("marked", "shop.placed", "a", b"{}", mark="shop.placed")
            async with transport.consume(feed(partitions=1)) as consumer:
                await publish(transport, mark, marked)
                kept = await transport.publisher.kept("shop.placed")
                assert set(kept) <= {mark.body}
                assert await transport.publisher.kept("shop.other") in ((), [])
                await transport.publisher.resume("shop.placed")
                await publish(transport, marked._replace(id="again"))
                number = 2 + transport.partitions(feed(partitions=1))
                found = [each for each in contents(await taken(consumer, number)) if each.key]
            assert sorted(found) == [marked._replace(id="again", mark=None), marked._replace(mark=None)]

    async def test_a_batch_keeps_its_order(self, new_broker: NewBroker) -> None:
        """Messages of one key arrive in the order in which they were published, within one call and across calls."""
        async with new_broker() as connect:
            transport = await connect()
            sent = [message(str(number), key=f"k{number % 3}") for number in range(300)]
            async with transport.consume(feed(partitions=2)) as consumer:
                for start in range(0, 300, 60):
                    await publish(transport, *sent[start : start + 60])
                assert by_key(await accepted(consumer, 300)) == by_key(sent)

    async def test_several_tasks_publish(self, new_broker: NewBroker) -> None:
        """Concurrent calls lose no message and keep the order of each key."""
        async with new_broker() as connect:
            transport = await connect()
            sent = {f"k{task}": messages(40, key=f"k{task}") for task in range(10)}

            async def one(key: str) -> None:
                for start in range(0, 40, 8):
                    await publish(transport, *sent[key][start : start + 8])

            async with transport.consume(feed(partitions=2)) as consumer:
                async with anyio.create_task_group() as tasks:
                    for key in sent:
                        tasks.start_soon(one, key)
                assert by_key(await accepted(consumer, 400)) == sent

    async def test_topics_do_not_mix(self, new_broker: NewBroker) -> None:
        """A consumer receives only messages of its topics. A topic can have several consumers."""
        async with new_broker() as connect:
            transport = await connect()
            names = [f"shop.topic-{number}" for number in range(self.topics)]
            feeds = [feed(f"c{number}", name) for number, name in enumerate(names)] + [feed("all", *names)]
            for each in feeds:
                await transport.declare(each)
            sent = [message(str(number), topic=name) for number in range(3) for name in names]
            await publish(transport, *sent)
            for each in feeds:
                expected = [one for one in sent if one.topic in each.topics]
                async with transport.consume(each) as consumer:
                    assert await accepted(consumer, len(expected)) == expected
            for each in feeds[:-1]:
                assert await left(transport, each) == []

    async def test_a_message_without_a_receiver_is_not_a_success(
        self, new_broker: NewBroker, capabilities: Capabilities
    ) -> None:
        """A message without a consumer is unroutable and not stored.

        Later messages of its key in the same call are not sent. Messages of other keys are confirmed.
        """
        if not capabilities.returns_unroutable:
            pytest.skip("the broker does not say that nobody receives a message")
        async with new_broker() as connect:
            transport = await connect()
            await self._unroutable(transport.publisher, [message(topic="shop.nobody")], [Outcome.UNROUTABLE])
            await transport.declare(feed())
            before = message("before", key="a")
            other = message("other", key="b")
            batch = [before, message(topic="shop.nobody", key="a"), other, message("after", key="a")]
            outcomes = [Outcome.CONFIRMED, Outcome.UNROUTABLE, Outcome.CONFIRMED, Outcome.UNSENT]
            await self._unroutable(transport.publisher, batch, outcomes)
            await self._unroutable(transport.publisher, [message(topic="shop", key=None)], [Outcome.UNROUTABLE])
            late = feed("late", "shop.nobody", start="beginning" if capabilities.begins_at_the_beginning else "now")
            await transport.declare(late)
            assert await left(transport, late) == []
            async with transport.consume(feed()) as consumer:
                assert sorted(await accepted(consumer, 2)) == sorted([before, other])
            assert await left(transport, feed()) == []

    async def _unroutable(self, publisher: Publisher, batch: list[WireMessage], outcomes: list[Outcome]) -> None:
        with in_time():
            assert list(await publisher.publish(batch)) == outcomes

    async def test_a_body_has_a_limit(self, new_broker: NewBroker) -> None:
        """A body of the maximum size arrives. A larger body raises an error, and nothing of that call is sent."""
        async with new_broker() as connect:
            transport = await connect()
            await transport.declare(feed())
            largest = message("ü" * (LARGEST_BODY // 2))
            with pytest.raises(MessageTooLarge):
                await transport.publisher.publish([message("small"), message("x" * (LARGEST_BODY + 1))])
            await publish(transport, largest)
            assert await left(transport, feed()) == [largest]

    async def test_nothing_is_published(self, new_broker: NewBroker) -> None:
        """An empty batch has no outcomes."""
        async with new_broker() as connect:
            assert list(await (await connect()).publisher.publish([])) == []

    async def test_a_message_for_every_partition(self, new_broker: NewBroker) -> None:
        """A message without a key reaches each partition of each consumer once, after all earlier messages."""
        async with new_broker() as connect:
            transport = await connect()
            feeds = feed(partitions=4), feed("stock", partitions=2)
            for each in feeds:
                await transport.declare(each)
            everyone = message("for all", key=None)
            sent = [message(str(number), key=f"k{number}") for number in range(60)]
            await publish(transport, *sent[:40])
            await publish(transport, *sent[40:], everyone)
            for each in feeds:
                partitions = transport.partitions(each)
                async with transport.consume(each) as consumer:
                    found = await taken(consumer, len(sent) + partitions)
                    await consumer.accept(found)
                assert sorted(one.partition for one in found if one.message == everyone) == [*range(partitions)]
                for partition in range(partitions):
                    assert [one.message for one in found if one.partition == partition][-1] == everyone

    async def test_a_publisher_without_a_failure_has_no_problem(self, new_broker: NewBroker) -> None:
        """A publisher reports no problem after a publication, even if the message had no consumer."""
        async with new_broker() as connect:
            transport = await connect()
            with in_time():
                await transport.publisher.publish([message(topic="shop.nobody")])
            assert transport.publisher.problem is None
            await transport.declare(feed())
            await publish(transport, message())
            assert transport.publisher.problem is None

    async def test_it_goes_on_after_a_close(self, new_broker: NewBroker) -> None:
        """A closed transport can be opened again. Declared consumers and published messages still exist."""
        async with new_broker() as connect:
            transport = await connect()
            await transport.declare(feed())
            first, second = messages(2)
            await publish(transport, first)
            await transport.close()
            await transport.open()
            await publish(transport, second)
            assert await left(transport, feed()) == [first, second]
