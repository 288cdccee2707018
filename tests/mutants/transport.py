"""Brokers that lose, mix, reorder or repeat messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio

from twofold.ports import LARGEST_BODY, Delivery, Feed, Outcome, WireMessage

from .broken import Around
from .transport_harness import BrokerMutant


class Broker(Around):
    """A transport that wraps each consumer, and is its own publisher."""

    consumer: Callable[[Any, Any], Any] = lambda inner, _: Around(inner)

    @property
    def publisher(self) -> Any:
        return self

    @property
    def trouble(self) -> str | None:
        found: str | None = self.inner.publisher.trouble
        return found

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        found: Sequence[Outcome] = await self.inner.publisher.publish(messages)
        return found

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            yield type(self).consumer(consumer, self.inner)


class Shuffles(Broker):
    """Turns batches round."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        return (await super().publish(messages[::-1]))[::-1]


class Drops(Broker):
    """Says of every seventh message that it was confirmed, and does not send it."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        sent = [each for number, each in enumerate(messages) if number % 7 != 3]
        outcomes = iter(await super().publish(sent))
        return [next(outcomes) if number % 7 != 3 else Outcome.CONFIRMED for number in range(len(messages))]


class Ascii(Broker):
    """Carries nothing but ASCII."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        plain = [each._replace(body=each.body.decode().encode("ascii", "replace")) for each in messages]
        return await super().publish(plain)


class Optimist(Broker):
    """Takes everything for a success."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        return [Outcome.CONFIRMED for _ in await super().publish(messages)]


class GoesOn(Broker):
    """Sends what follows of a key although what came before was not confirmed."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        return [(await self.inner.publisher.publish([each]))[0] for each in messages]


class Truncates(Broker):
    """Sends the beginning of what is too large."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        return await super().publish([each._replace(body=each.body[:LARGEST_BODY]) for each in messages])


class SendsSome(Broker):
    """Sends the others of a batch in which one is too large."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        await super().publish([each for each in messages if len(each.body) <= LARGEST_BODY])
        return await super().publish(messages)


class Overtakes(Broker):
    """Sends what is for every part before the rest of the batch."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        return await super().publish(sorted(messages, key=lambda each: each.key is not None))


class MoreTopics(Broker):
    """Gives each consumer a topic that it did not ask for."""

    async def declare(self, feed: Feed) -> None:
        await self.inner.declare(replace(feed, topics=(*feed.topics, "shop.topic-7")))

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(replace(feed, topics=(*feed.topics, "shop.topic-7"))) as consumer:
            yield consumer


class OneCopy(Broker):
    """Lets all consumers share one copy."""

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(replace(feed, consumer="everybody")) as consumer:
            yield consumer


class Starts(Broker):
    """Lets new consumers begin elsewhere than they were told to."""

    async def declare(self, feed: Feed) -> None:
        await self.inner.declare(self._elsewhere(feed))

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(self._elsewhere(feed)) as consumer:
            yield consumer

    def _elsewhere(self, feed: Feed) -> Feed:
        return replace(feed, start="now" if feed.start == "beginning" else "beginning")


class FirstTopics(Broker):
    """Keeps the topics that a consumer was declared with first."""

    def __init__(self, inner: Any, feeds: dict[str, Feed]) -> None:
        super().__init__(inner)
        self._feeds = feeds

    async def declare(self, feed: Feed) -> None:
        await self.inner.declare(self._feeds.setdefault(feed.consumer, feed))

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(self._feeds.setdefault(feed.consumer, feed)) as consumer:
            yield consumer


class Purges(Broker):
    """Empties what is declared once more."""

    async def declare(self, feed: Feed) -> None:
        await self.inner.declare(feed)
        if await self.inner.waiting(feed):
            async with self.inner.consume(feed) as consumer:
                with anyio.move_on_after(1):
                    await consumer.accept(await consumer.receive())


class AnyParts(Broker):
    """Takes any number of parts for the same."""

    async def declare(self, feed: Feed) -> None:
        await self.inner.declare(replace(feed, partitions=3))


class ReadyOnly(Broker):
    """Counts what nobody has received yet."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.open = 0

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            yield _Counting(consumer, self)

    async def waiting(self, feed: Feed) -> int:
        waiting: int = await self.inner.waiting(feed)
        return waiting - self.open


class _Counting(Around):
    def __init__(self, inner: Any, broker: ReadyOnly) -> None:
        super().__init__(inner)
        self.broker = broker

    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        self.broker.open += len(found)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self.broker.open -= len(deliveries)


class ForEverybody(Broker):
    """Publishes what is taken out of the parking place."""

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        gone = [each.message for each in await self.inner.read_parked(consumer) if each.message.id in ids]
        if again:
            await super().publish(gone)
        await self.inner.unpark(consumer, ids, again=False)
        return len(gone)


class AlwaysAgain(Broker):
    """Delivers what was to be dropped."""

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> Any:
        return await self.inner.unpark(consumer, ids, again=True)


class NeverAgain(Broker):
    """Drops what was to be delivered."""

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> Any:
        return await self.inner.unpark(consumer, ids, again=False)


class KeepsParked(Broker):
    """Takes nothing out of the parking place."""

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        return len([each for each in await self.inner.read_parked(consumer) if each.message.id in ids])


class Remembers(Broker):
    """Forgets nothing."""

    async def forget(self, consumer: str) -> bool:
        return True


class ForgetsParked(Broker):
    """Forgets what was set aside, and keeps what waits."""

    async def forget(self, consumer: str) -> bool:
        await self.inner.unpark(
            consumer, [each.message.id for each in await self.inner.read_parked(consumer)], again=False
        )
        return True


class Strict(Broker):
    """Knows no feed that was not declared."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._declared: set[str] = set()

    async def declare(self, feed: Feed) -> None:
        self._declared.add(feed.consumer)
        await self.inner.declare(feed)

    async def waiting(self, feed: Feed) -> int:
        waiting: int = await self.inner.waiting(feed)
        return waiting if feed.consumer in self._declared else -1


class Grumbles(Broker):
    """Is never content."""

    @property
    def trouble(self) -> str:
        return "it was not confirmed"


class NewestFirst(Broker):
    """Lists what was parked last first."""

    async def read_parked(self, consumer: str) -> Any:
        return (await self.inner.read_parked(consumer))[::-1]


def breaking(broken: Any) -> Callable[[], Callable[[Any], Any]]:
    """Break each connection by itself."""
    return lambda: broken


def mutant(name: str, killed_by: str, broken: Any) -> BrokerMutant:
    """Return a mutant whose connections know nothing of each other."""
    return BrokerMutant(name, killed_by, breaking(broken))


def _first_topics() -> Callable[[Any], Any]:
    feeds: dict[str, Feed] = {}
    return lambda inner: FirstTopics(inner, feeds)


BROKERS = (
    mutant("batches are turned round", "test_a_batch_keeps_its_order", Shuffles),
    mutant("messages are dropped", "test_a_batch_keeps_its_order", Drops),
    mutant("messages of several tasks are dropped", "test_several_tasks_publish", Drops),
    mutant("messages for many are dropped", "test_three_refuse_and_the_next_gets_all", Drops),
    mutant("only ASCII is carried", "test_a_message_arrives_as_it_was", Ascii),
    mutant("everything is a success", "test_what_nobody_receives_is_no_success", Optimist),
    mutant("the key goes on without one", "test_what_nobody_receives_is_no_success", GoesOn),
    mutant("what is too large is cut", "test_a_body_has_a_limit", Truncates),
    mutant("part of a refused batch is sent", "test_a_body_has_a_limit", SendsSome),
    mutant("what is for all comes first", "test_a_message_for_every_part", Overtakes),
    mutant("topics mix", "test_topics_do_not_mix", MoreTopics),
    mutant("consumers share a copy", "test_each_consumer_gets_everything", OneCopy),
    mutant("now is the beginning", "test_a_new_consumer_begins_now", Starts),
    mutant("the beginning is now", "test_a_new_consumer_begins_at_the_beginning", Starts),
    BrokerMutant("topics stay as they were", "test_more_topics_are_added", _first_topics),
    mutant("declaring again empties", "test_what_is_declared_is_kept", Purges),
    mutant("parts are changed", "test_another_number_of_parts_is_refused", AnyParts),
    mutant("open messages are not counted", "test_what_waits_is_counted", ReadyOnly),
    mutant("unparked for everybody", "test_a_parked_message_is_delivered_again", ForEverybody),
    mutant("unparked for every part", "test_what_is_for_every_part_comes_again_once", ForEverybody),
    mutant("unparked to be dropped", "test_a_parked_message_is_delivered_again", NeverAgain),
    mutant("unparked and kept", "test_a_parked_message_is_delivered_again", KeepsParked),
    mutant("dropped and delivered", "test_a_parked_message_is_dropped", AlwaysAgain),
    mutant("dropped and kept", "test_a_parked_message_is_dropped", KeepsParked),
    mutant("nothing is forgotten", "test_a_consumer_is_forgotten", Remembers),
    mutant("what waits is not forgotten", "test_a_consumer_is_forgotten", ForgetsParked),
    mutant("feeds have to be declared", "test_what_was_never_declared_has_nothing", Strict),
    mutant("trouble goes on", "test_nothing_troubles_what_publishes", Grumbles),
    mutant("newest parked first", "test_parked_messages_are_listed", NewestFirst),
)
"""Each is killed by the named test of `TransportSuite`."""
