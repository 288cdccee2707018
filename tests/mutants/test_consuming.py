"""Brokers whose consumers lose, repeat, reorder or share what they should not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import anyio

from tests.brokers import BROKERS
from tests.mutants.combinators import changing, changing_result, instead, opened, replacing
from tests.mutants.connections import QuickSuite, connections, consumers, consumers_of, unbroken
from tests.mutants.harness import MutantSuite
from tests.mutants.mutant import Mutant
from twofold.ports import Consumer, Delivery, Feed, Transport
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
    """Drop what is for every part in the first of them."""
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
    """Receives what another process has open as well."""

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
    """Notes which messages are open."""

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

    return connections(instead(consume=consume))


def receiving(change: Callable[[Delivery], Delivery]) -> Any:
    """Change each delivery."""
    return consumers(changing_result("receive", to=lambda found: [change(each) for each in found]))


def _in_any_part(numbers: Any, delivery: Delivery) -> Delivery:
    return delivery._replace(partition=next(numbers) % 2)


losing_open = accepting_open(_publish_nothing)
reordering_open = accepting_open(_publish_behind_others)

PARKED, OPEN = "test_exactly_the_poison_message_is_parked", "test_it_does_not_wait_for_what_is_open"
AGAIN, FOR_ALL = "test_what_is_not_settled_comes_again", "test_a_message_for_every_partition"

MUTANTS = (
    Mutant(
        "accepted messages stay",
        "test_what_is_accepted_is_gone",
        consumers(changing("accept", deliveries=lambda deliveries: deliveries[::2])),
    ),
    Mutant(
        "accepted messages come again",
        "test_many_processes_share_many_messages",
        consumers_of(lambda transport: partial(DeliversAccepted, transport=transport)),
    ),
    Mutant("the limit is ignored", OPEN, consumers(instead(receive=_receive_one_more))),
    Mutant("it waits for open messages", OPEN, consumers(Waits)),
    Mutant(
        "what was received is lost",
        "test_a_cancelled_receive_loses_nothing",
        consumers(instead(receive=_receive_and_lose)),
    ),
    Mutant("open messages are lost", AGAIN, losing_open),
    Mutant("open messages of three are lost", "test_three_close_and_the_next_gets_all", losing_open),
    Mutant("open messages go to the end", "test_redelivery_keeps_the_order", reordering_open),
    Mutant("open messages come last", AGAIN, reordering_open),
    Mutant("the reason is lost", PARKED, consumers(replacing("park", reason="failed"))),
    Mutant("parked messages are lost", PARKED, consumers(instead(park=_forget_instead_of_parking))),
    Mutant(
        "parked messages are delivered",
        PARKED,
        consumers_of(lambda transport: instead(park=partial(_publish_and_park, transport))),
    ),
    Mutant("others are parked too", PARKED, consumers(ParksNeighbour)),
    Mutant("a part misses what is for all", FOR_ALL, consumers(instead(receive=_receive_without_first_part))),
    Mutant(
        "one part gets what is for all",
        FOR_ALL,
        receiving(lambda each: each._replace(partition=0) if each.message.key is None else each),
    ),
    Mutant(
        "keys change their parts",
        "test_a_key_stays_in_its_partition",
        opened(lambda _: receiving(partial(_in_any_part, count(1)))),
    ),
    Mutant(
        "a part has two receivers",
        "test_a_partition_belongs_to_one_process_at_a_time",
        opened(lambda _: consumers(partial(Shares, seen={}))),
    ),
)


class TestMutants(MutantSuite):
    """Broken consumers."""

    suite = QuickSuite
    mutants = MUTANTS
    kinds = BROKERS
    opener = "new_broker"
    unbroken = staticmethod(unbroken)
