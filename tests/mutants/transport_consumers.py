"""Brokers whose consumers lose, repeat, reorder or share what they should not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from twofold.ports import Delivery, Feed

from .broken import Around
from .transport import Broker
from .transport_harness import BrokerMutant


class Consumer(Around):
    """A consumer that knows its broker."""

    def __init__(self, inner: Any, broker: Any) -> None:
        super().__init__(inner)
        self.broker = broker

    async def receive(self, *, limit: int = 100) -> Any:
        return await self.inner.receive(limit=limit)


class KeepsSome(Consumer):
    """Says of every second message that it is forgotten."""

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries[::2])


class DeliversAccepted(Consumer):
    """Delivers the last accepted message of several again, once."""

    repeated = False

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        if len(deliveries) > 1 and not self.repeated:
            self.repeated = True
            await self.broker.publisher.publish([deliveries[-1].message])


class OneMore(Consumer):
    """Gives more than was asked for."""

    async def receive(self, *, limit: int = 100) -> Any:
        return await self.inner.receive(limit=limit + 1)


class Waits(Consumer):
    """Gives nothing more as long as something is open."""

    open = 0

    async def receive(self, *, limit: int = 100) -> Any:
        if self.open:
            await anyio.sleep_forever()
        found = await self.inner.receive(limit=limit)
        self.open += len(found)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self.open -= len(deliveries)


class LosesCancelled(Consumer):
    """Loses what it had received when it is cancelled."""

    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        try:
            await anyio.sleep(0.003)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.inner.accept(found)
            raise
        return found


class LosesReason(Consumer):
    """Sets messages aside without saying why."""

    async def park(self, delivery: Delivery, reason: str) -> None:
        await self.inner.park(delivery, "failed")


class LosesParked(Consumer):
    """Forgets what is to be set aside."""

    async def park(self, delivery: Delivery, reason: str) -> None:
        await self.inner.accept([delivery])


class DeliversParked(Consumer):
    """Delivers what was set aside."""

    async def park(self, delivery: Delivery, reason: str) -> None:
        await self.broker.publisher.publish([delivery.message])
        await self.inner.park(delivery, reason)


class ParksNeighbour(Consumer):
    """Sets aside what was received just before, too."""

    last: Sequence[Delivery] = ()

    async def receive(self, *, limit: int = 100) -> Any:
        self.last = [*self.last, *await self.inner.receive(limit=limit)][-limit:]
        return self.last[-limit:]

    async def park(self, delivery: Delivery, reason: str) -> None:
        for each in self.last[-2:]:
            await self.inner.park(each, reason)
        await self.inner.park(delivery, reason)


class MissesAPart(Consumer):
    """Passes over what is for every part in the first of them."""

    async def receive(self, *, limit: int = 100) -> Any:
        while True:
            found = await self.inner.receive(limit=limit)
            missed = [each for each in found if each.message.key is None and not each.partition]
            await self.inner.accept(missed)
            if len(missed) < len(found):
                return [each for each in found if each not in missed]


class TwiceInAll(Consumer):
    """Delivers what is for every part to one of them once more."""

    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        return [each._replace(partition=0) if each.message.key is None else each for each in found]


class OtherPart(Consumer):
    """Changes the part of a key in between."""

    count = 0

    async def receive(self, *, limit: int = 100) -> Any:
        found = []
        for each in await self.inner.receive(limit=limit):
            self.count += 1
            found.append(each._replace(partition=self.count % 2))
        return found


class Shares(Consumer):
    """Gives what another process has open to this one as well."""

    def __init__(self, inner: Any, broker: Any, seen: dict[Any, list[Delivery]]) -> None:
        super().__init__(inner, broker)
        self.seen = seen

    async def receive(self, *, limit: int = 100) -> Any:
        others = [each for consumer, found in self.seen.items() if consumer is not self for each in found]
        if others:
            return others[:limit]
        found = self.seen[self] = await self.inner.receive(limit=limit)
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept([each for each in deliveries if each in self.seen.get(self, ())])


class Settles(Broker):
    """Accepts the open messages of a consumer that closes."""

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            noting = _Noting(consumer)
            yield noting
            await consumer.accept(noting.open)


class ToTheEnd(Broker):
    """Puts the open messages of a consumer that closes behind all others."""

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[Any]:
        async with self.inner.consume(feed) as consumer:
            noting = _Noting(consumer)
            yield noting
            await self.inner.publisher.publish([each.message for each in noting.open])
            await consumer.accept(noting.open)


class _Noting(Around):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.open: list[Delivery] = []

    async def receive(self, *, limit: int = 100) -> Any:
        found = await self.inner.receive(limit=limit)
        self.open += found
        return found

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.accept(deliveries)
        self.open = [each for each in self.open if each not in deliveries]


def _shared() -> Callable[[Any], Any]:
    seen: dict[Any, list[Delivery]] = {}

    class Sharing(Broker):
        """Lets its consumers see what others have."""

        consumer = staticmethod(lambda inner, broker: Shares(inner, broker, seen))

    return Sharing


def mutant(name: str, killed_by: str, broken: Any) -> BrokerMutant:
    """Return a mutant with such a consumer."""
    broker = type(broken.__name__, (Broker,), {"consumer": broken})
    return BrokerMutant(name, killed_by, lambda: broker)


CONSUMERS = (
    mutant("accepted messages stay", "test_what_is_accepted_is_gone", KeepsSome),
    mutant("accepted messages come again", "test_many_processes_share_many_messages", DeliversAccepted),
    mutant("the limit is ignored", "test_it_does_not_wait_for_what_is_open", OneMore),
    mutant("it waits for open messages", "test_it_does_not_wait_for_what_is_open", Waits),
    mutant("what was received is lost", "test_a_cancelled_receive_loses_nothing", LosesCancelled),
    BrokerMutant("open messages are lost", "test_what_is_not_settled_comes_again", lambda: Settles),
    BrokerMutant("open messages of three are lost", "test_three_close_and_the_next_gets_all", lambda: Settles),
    BrokerMutant("open messages go to the end", "test_redelivery_keeps_the_order", lambda: ToTheEnd),
    BrokerMutant("open messages come last", "test_what_is_not_settled_comes_again", lambda: ToTheEnd),
    mutant("the reason is lost", "test_exactly_the_poison_message_is_parked", LosesReason),
    mutant("parked messages are lost", "test_exactly_the_poison_message_is_parked", LosesParked),
    mutant("parked messages are delivered", "test_exactly_the_poison_message_is_parked", DeliversParked),
    mutant("others are parked too", "test_exactly_the_poison_message_is_parked", ParksNeighbour),
    mutant("a part misses what is for all", "test_a_message_for_every_part", MissesAPart),
    mutant("one part gets what is for all", "test_a_message_for_every_part", TwiceInAll),
    mutant("keys change their parts", "test_a_key_stays_in_its_part", OtherPart),
    BrokerMutant("a part has two receivers", "test_a_part_belongs_to_one_process_at_a_time", _shared),
)
"""Each is killed by the named test of `TransportSuite`."""
