"""Brokers that lose, mix, reorder or repeat published messages, and feeds that differ from their declaration."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from tests.brokers import BROKERS
from tests.mutants.brokers import QuickSuite
from tests.mutants.combinators import Wrap, changing, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_broker
from twofold.ports import LARGEST_BODY, Delivery, Feed, Outcome, Publisher, Transport, WireMessage
from twofold.testing.conformance._tools.proxy import Proxy


def sending(change: Callable[[Sequence[WireMessage]], Sequence[WireMessage]]) -> Wrap:
    """Publish other messages than those that are given."""
    return at("connection.publisher", changing("publish", messages=change))


def feeding(change: Callable[[Feed], Feed]) -> Wrap:
    """Declare and consume another feed than the one that is given."""
    return at("connection", changing("declare", "consume", feed=change))


async def _publish_in_reverse(publisher: Publisher, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
    return (await publisher.publish(messages[::-1]))[::-1]


async def _publish_most(publisher: Publisher, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
    """Report every seventh message as confirmed without sending it."""
    outcomes = iter(await publisher.publish([each for number, each in enumerate(messages) if number % 7 != 3]))
    return [next(outcomes) if number % 7 != 3 else Outcome.CONFIRMED for number in range(len(messages))]


async def _publish_one_by_one(publisher: Publisher, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
    return [(await publisher.publish([each]))[0] for each in messages]


async def _publish_small_ones_first(publisher: Publisher, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
    await publisher.publish([each for each in messages if len(each.body) <= LARGEST_BODY])
    return await publisher.publish(messages)


async def _declare_and_empty(transport: Transport, feed: Feed) -> None:
    await transport.declare(feed)
    if await transport.waiting(feed):
        async with transport.consume(feed) as consumer:
            with anyio.move_on_after(1):
                await consumer.accept(await consumer.receive())


async def _unpark_silently(transport: Transport, consumer: str, ids: Sequence[str], *, again: bool) -> int:
    logging.disable(logging.WARNING)
    try:
        return await transport.unpark(consumer, ids, again=again)
    finally:
        logging.disable(logging.NOTSET)


async def _unpark_for_everybody(transport: Transport, consumer: str, ids: Sequence[str], *, again: bool) -> int:
    gone = [each.message for each in await transport.parked(consumer) if each.message.id in ids]
    if again:
        await transport.publisher.publish(gone)
    return await transport.unpark(consumer, ids, again=False)


async def _count_and_keep(transport: Transport, consumer: str, ids: Sequence[str], *, again: bool) -> int:
    return len([each for each in await transport.parked(consumer) if each.message.id in ids])


async def _delete_parked_only(transport: Transport, consumer: str) -> bool:
    await transport.unpark(consumer, [each.message.id for each in await transport.parked(consumer)], again=False)
    return True


class ReadyOnly(Proxy):
    """Counts only messages that no consumer has received."""

    open = 0

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            yield _Counting(consumer, broker=self)

    async def waiting(self, feed: Feed) -> int:
        return int(await self.inner.waiting(feed)) - self.open


class _Counting(Proxy):
    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        self.broker.open += len(found)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self.broker.open -= len(deliveries)


class Strict(Proxy):
    """Counts messages of declared feeds only."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self._declared: set[str] = set()

    async def declare(self, feed: Feed) -> None:
        self._declared.add(feed.consumer)
        await self.inner.declare(feed)

    async def waiting(self, feed: Feed) -> int:
        waiting = int(await self.inner.waiting(feed))
        return waiting if feed.consumer in self._declared else -1


def _first_topics(feeds: dict[str, Feed], feed: Feed) -> Feed:
    return feeds.setdefault(feed.consumer, feed)


dropping = at("connection.publisher", instead(publish=_publish_most))
starting_elsewhere = feeding(lambda feed: replace(feed, start="now" if feed.start == "beginning" else "beginning"))
unparking_for_everybody = at("connection", instead(unpark=_unpark_for_everybody))
keeping_parked = at("connection", instead(unpark=_count_and_keep))


def _refusing_all(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return [Outcome.BEHIND] * len(outcomes)


MUTANTS: Mutants = {
    "test_the_messaging_system_has_a_name": {
        "names no system": at("connection", lambda transport: Proxy(transport, system="")),
        "writes the system with a space": at("connection", lambda transport: Proxy(transport, system="Rabbit MQ")),
    },
    "test_a_mark_is_not_delivered": {
        "marks are refused": at("connection.publisher", changing_result("publish", to=_refusing_all)),
        "other messages are kept as marks": at("connection.publisher", ignoring("kept", returning=[b"{}"])),
    },
    "test_a_batch_keeps_its_order": {
        "batches are turned round": at("connection.publisher", instead(publish=_publish_in_reverse)),
        "messages are dropped": dropping,
    },
    "test_several_tasks_publish": {"messages of several tasks are dropped": dropping},
    "test_three_close_and_the_next_gets_all": {"messages for many are dropped": dropping},
    "test_a_message_arrives_as_it_was": {
        "only ASCII is carried": sending(
            lambda sent: [each._replace(body=each.body.decode().encode("ascii", "replace")) for each in sent]
        )
    },
    "test_a_message_without_a_receiver_is_not_a_success": {
        "everything is a success": at(
            "connection.publisher", changing_result("publish", to=lambda outcomes: [Outcome.CONFIRMED] * len(outcomes))
        ),
        "the key goes on without one": at("connection.publisher", instead(publish=_publish_one_by_one)),
    },
    "test_a_body_has_a_limit": {
        "what is too large is cut": sending(
            lambda sent: [each._replace(body=each.body[:LARGEST_BODY]) for each in sent]
        ),
        "part of a refused batch is sent": at("connection.publisher", instead(publish=_publish_small_ones_first)),
    },
    "test_a_message_for_every_partition": {
        "what is for all comes first": sending(lambda sent: sorted(sent, key=lambda each: each.key is not None))
    },
    "test_topics_do_not_mix": {
        "topics mix": feeding(lambda feed: replace(feed, topics=(*feed.topics, "shop.topic-7")))
    },
    "test_each_consumer_gets_everything": {
        "consumers share a copy": at(
            "connection", changing("consume", feed=lambda feed: replace(feed, consumer="everybody"))
        )
    },
    "test_a_new_consumer_begins_now": {"now is the beginning": starting_elsewhere},
    "test_a_new_consumer_begins_at_the_beginning": {"the beginning is now": starting_elsewhere},
    "test_more_topics_are_added": {"topics stay as they were": for_each(lambda _: feeding(partial(_first_topics, {})))},
    "test_messages_are_stored_for_a_declared_feed": {
        "declaring again empties": at("connection", instead(declare=_declare_and_empty))
    },
    "test_another_number_of_partitions_is_refused": {
        "parts are changed": at("connection", changing("declare", feed=lambda feed: replace(feed, partitions=3)))
    },
    "test_waiting_messages_are_counted": {"open messages are not counted": at("connection", ReadyOnly)},
    "test_a_parked_message_is_delivered_again": {
        "unparked for everybody": unparking_for_everybody,
        "unparked to be dropped": at("connection", replacing("unpark", again=False)),
        "unparked and kept": keeping_parked,
    },
    "test_a_message_for_every_partition_comes_again_once": {"unparked for every part": unparking_for_everybody},
    "test_a_parked_message_is_dropped": {
        "dropped and delivered": at("connection", replacing("unpark", again=True)),
        "dropped and kept": keeping_parked,
        "dropped without a word": at("connection", instead(unpark=_unpark_silently)),
    },
    "test_a_consumer_is_deleted": {
        "no consumer is deleted": at("connection", ignoring("delete_consumer", returning=True)),
        "waiting messages are not deleted": at("connection", instead(delete_consumer=_delete_parked_only)),
    },
    "test_a_feed_that_was_never_declared_has_no_messages": {"feeds have to be declared": at("connection", Strict)},
    "test_a_publisher_without_a_failure_has_no_problem": {
        "a problem stays after a success": at(
            "connection.publisher", lambda publisher: Proxy(publisher, problem="it was not confirmed")
        )
    },
    "test_parked_messages_are_listed": {
        "newest parked first": at("connection", changing_result("parked", to=lambda found: found[::-1]))
    },
}


class TestMutants(MutantSuite):
    """Broken brokers."""

    suite = QuickSuite
    mutants = MUTANTS
    kinds = BROKERS
    opener = "new_broker"
    unbroken = staticmethod(unbroken_broker)
