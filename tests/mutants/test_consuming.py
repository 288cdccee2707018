"""Brokers whose consumers lose, repeat, reorder or wrongly share messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import anyio

from tests.brokers import BROKERS
from tests.mutants.brokers import QuickSuite
from tests.mutants.combinators import changing, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at, unbroken_broker
from twofold.ports import Consumer, Delivery, Feed, ParkedDelivery, Transport
from twofold.testing.conformance._tools.proxy import Proxy


async def _receive_one_more(consumer: Consumer, *, limit: int = 100) -> Sequence[Delivery]:
    """Receive until there is one more than the limit, as far as they come soon."""
    found = [*await consumer.receive(limit=limit)]
    with anyio.move_on_after(0.5):
        while len(found) <= limit:
            found += await consumer.receive(limit=1)
    return found


async def _receive_and_lose(consumer: Consumer, *, limit: int = 100) -> Sequence[Delivery]:
    found = await consumer.receive(limit=limit)
    try:
        await anyio.sleep(0.003)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await consumer.accept(found)
        raise
    return found


async def _receive_without_first_part(consumer: Consumer, *, limit: int = 100) -> Sequence[Delivery]:
    """Drop messages for every partition in the first of them."""
    while True:
        found = await consumer.receive(limit=limit)
        missed = [each for each in found if each.message.key is None and not each.partition]
        await consumer.accept(missed)
        if len(missed) < len(found):
            return [each for each in found if each not in missed]


async def _forget_instead_of_parking(consumer: Consumer, delivery: Delivery, reason: str) -> None:
    await consumer.accept([delivery])


async def _publish_and_park(transport: Transport, consumer: Consumer, delivery: Delivery, reason: str) -> None:
    await transport.publisher.publish([delivery.message])
    await consumer.park(delivery, reason)


async def _publish_behind_others(transport: Transport, deliveries: Sequence[Delivery]) -> None:
    await transport.publisher.publish([each.message for each in deliveries])


async def _publish_nothing(transport: Transport, deliveries: Sequence[Delivery]) -> None:
    return None


async def _park_one_of_an_id(consumer: Consumer, refused: Sequence[tuple[Delivery, str]]) -> None:
    last = {delivery.message.id: (delivery, reason) for delivery, reason in refused}
    await consumer.accept([delivery for delivery, _ in refused if last[delivery.message.id][0] is not delivery])
    await consumer.park_all(list(last.values()))


async def _park_in_reverse(consumer: Consumer, refused: Sequence[tuple[Delivery, str]]) -> None:
    for each in reversed(refused):
        await consumer.park_all([each])


async def _drop_what_is_parked_again(transport: Transport, consumer: str, ids: Sequence[str], *, again: bool) -> int:
    number = await transport.unpark(consumer, ids, again=again)
    if again:
        await anyio.sleep(0.3)
        await transport.unpark(consumer, ids, again=False)
    return number


async def _read_what_nobody_reads(reading: list[str], transport: Transport, consumer: str) -> Sequence[ParkedDelivery]:
    """Return nothing while another operator reads."""
    if reading:
        return []
    reading.append(consumer)
    try:
        await anyio.sleep(0.01)
        return await transport.parked(consumer)
    finally:
        reading.remove(consumer)


class CountsSinceStart(Proxy):
    """Counts the messages that this process has parked since its start."""

    _parked = 0

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            yield _Parking(consumer, transport=self)

    async def parked_count(self, consumer: str) -> int:
        return self._parked if await self.inner.parked_count(consumer) else 0


class _Parking(Proxy):
    async def park_all(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        await self.inner.park_all(refused)
        self.transport._parked += len(refused)


async def _count_all(transport: Transport, consumer: str) -> int:
    """Count the parked messages of every consumer of the case."""
    return sum([await transport.parked_count(each) for each in ("a", "b")])


class CountsOnlyMore(Proxy):
    """Never counts fewer messages than before."""

    _most = 0

    async def parked_count(self, consumer: str) -> int:
        found = int(await self.inner.parked_count(consumer))
        self._most = max(self._most, found) if found else self._most
        return self._most if consumer == "a" else found


class DeliversAccepted(Proxy):
    """Delivers the last accepted message of several again, once."""

    _repeated = False

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        if len(deliveries) > 1 and not self._repeated:
            self._repeated = True
            await self.transport.publisher.publish([deliveries[-1].message])


class Waits(Proxy):
    """Receives nothing while a message is open."""

    _open = 0

    async def receive(self, *, limit: int = 100) -> Any:
        if self._open:
            await anyio.sleep_forever()
        found = await self.inner.receive(limit=limit)
        self._open += len(found)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self._open -= len(deliveries)


class ParksNeighbour(Proxy):
    """Parks the message that was received just before, too."""

    _last: Sequence[Delivery] = ()

    async def receive(self, *, limit: int = 100) -> Any:
        self._last = [*self._last, *await self.inner.receive(limit=limit)][-limit:]
        return self._last[-limit:]

    async def park(self, delivery: Delivery, reason: str) -> None:
        for each in self._last[-2:]:
            await self.inner.park(each, reason)
        await self.inner.park(delivery, reason)


class Shares(Proxy):
    """Also receives messages that are open in another process."""

    def __init__(self, inner: Consumer, seen: dict[Any, list[Delivery]]) -> None:
        super().__init__(inner)
        self._seen = seen

    async def receive(self, *, limit: int = 100) -> Any:
        others = [each for consumer, found in self._seen.items() if consumer is not self for each in found]
        if others:
            return others[:limit]
        found = self._seen[self] = await self.inner.receive(limit=limit)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept([each for each in deliveries if each in self._seen.get(self, ())])


class Open(Proxy):
    """Records which messages are open."""

    def __init__(self, inner: Consumer) -> None:
        super().__init__(inner)
        self.open: list[Delivery] = []

    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        self.open += found
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self.open = [each for each in self.open if each not in deliveries]


def accepting_open(before: Callable[[Transport, Sequence[Delivery]], Awaitable[None]]) -> Any:
    """Accept the open messages of a consumer that closes."""

    @asynccontextmanager
    async def consume(transport: Transport, feed: Feed) -> AsyncIterator[Any]:
        async with transport.consume(feed) as consumer:
            noting = Open(consumer)
            yield noting
            await before(transport, noting.open)
            await consumer.accept(noting.open)

    return at("connection", instead(consume=consume))


def receiving(change: Callable[[Delivery], Delivery]) -> Any:
    """Change each delivery."""
    return at("connection.consumer", changing_result("receive", to=lambda found: [change(each) for each in found]))


def _in_any_part(numbers: Any, delivery: Delivery) -> Delivery:
    return delivery._replace(partition=next(numbers) % 2)


losing_open = accepting_open(_publish_nothing)
reordering_open = accepting_open(_publish_behind_others)


MUTANTS: Mutants = {
    "test_accepted_messages_are_deleted": {
        "accepted messages stay": at("connection.consumer", changing("accept", deliveries=lambda found: found[::2]))
    },
    "test_many_processes_share_many_messages": {
        "accepted messages come again": at(
            "connection", for_each(lambda transport: at("consumer", partial(DeliversAccepted, transport=transport)))
        )
    },
    "test_receiving_does_not_wait_for_unsettled_deliveries": {
        "the limit is ignored": at("connection.consumer", instead(receive=_receive_one_more)),
        "it waits for open messages": at("connection.consumer", Waits),
    },
    "test_a_cancelled_receive_loses_nothing": {
        "what was received is lost": at("connection.consumer", instead(receive=_receive_and_lose))
    },
    "test_unsettled_deliveries_are_redelivered": {
        "open messages are lost": losing_open,
        "open messages come last": reordering_open,
    },
    "test_three_close_and_the_next_gets_all": {"open messages of three are lost": losing_open},
    "test_redelivery_keeps_the_order": {"open messages go to the end": reordering_open},
    "test_exactly_the_poison_message_is_parked": {
        "the reason is lost": at("connection.consumer", replacing("park", reason="failed")),
        "parked messages are lost": at("connection.consumer", instead(park=_forget_instead_of_parking)),
        "parked messages are delivered": at(
            "connection",
            for_each(lambda transport: at("consumer", instead(park=partial(_publish_and_park, transport)))),
        ),
        "others are parked too": at("connection.consumer", ParksNeighbour),
    },
    "test_messages_are_parked_in_one_call": {
        "one message of an id is kept": at("connection.consumer", instead(park_all=_park_one_of_an_id)),
        "the order is lost": at("connection.consumer", instead(park_all=_park_in_reverse)),
    },
    "test_parked_messages_are_counted": {
        "what the process has parked is counted": at("connection", CountsSinceStart),
        "what was taken out is counted": at("connection", CountsOnlyMore),
        "every consumer is counted": at("connection", instead(parked_count=_count_all)),
        "nothing is counted": at("connection", ignoring("parked_count", returning=0)),
    },
    "test_operators_see_all_parked_messages_at_the_same_time": {
        "reading hides messages": for_each(
            lambda _: at("connection", instead(parked=partial(_read_what_nobody_reads, [])))
        )
    },
    "test_a_requeued_message_that_is_parked_again_is_kept": {
        "messages that are parked again are lost": at("connection", instead(unpark=_drop_what_is_parked_again))
    },
    "test_a_message_for_every_partition": {
        "a part misses what is for all": at("connection.consumer", instead(receive=_receive_without_first_part)),
        "one part gets what is for all": receiving(
            lambda each: each._replace(partition=0) if each.message.key is None else each
        ),
    },
    "test_a_key_stays_in_its_partition": {
        "keys change their parts": for_each(lambda _: receiving(partial(_in_any_part, count(1))))
    },
    "test_a_partition_belongs_to_one_process_at_a_time": {
        "a part has two receivers": for_each(lambda _: at("connection.consumer", partial(Shares, seen={})))
    },
}


class TestMutants(MutantSuite):
    """Broken consumers."""

    suite = QuickSuite
    mutants = MUTANTS
    kinds = BROKERS
    opener = "new_broker"
    unbroken = staticmethod(unbroken_broker)
