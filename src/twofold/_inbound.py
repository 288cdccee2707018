"""Events of other applications: received through a broker, and recorded in this application's own log.

From there the one runner takes them to projections and reactions, with checkpoints, retries and parking as for any event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import anyio

from ._broker import Broker
from ._cloud_events import Arrived, Progress, decode
from ._runner import FIRST_PAUSE, LAST_PAUSE
from ._telling import tell
from ._token import Written
from .errors import CheckpointMoved, DuplicateEvent, ForeignLog, UndecodableEvent
from .ports.clock import Clock
from .ports.event_log import START, Expected, Position
from .ports.stores import WriteStore, WriteTransaction
from .ports.subscription_store import Checkpoint
from .ports.transport import Consumer, Delivery, Feed

logger = logging.getLogger("twofold.inbound")

_FIRST_POLL = 0.002
_LAST_POLL = 0.1
"""How long somebody who waits for another application's events lets pass until the store is asked again, in seconds."""

_BATCH = 200
"""How many messages are recorded in one transaction at most."""


class Part(NamedTuple):
    """The names of the two checkpoints of a part of a feed: how far its source is, and where its last event is here."""

    arrived: str
    recorded: str


def part_of(consumer: str, number: int) -> Part:
    """Return the names for a part of a feed."""
    return Part(f"{consumer}.{number}", f"{consumer}.{number}.recorded")


class Inbound:
    """Receives one feed. A message is noted in the inbox and its event appended in one transaction, then accepted.

    Args:
        feed: what is received.
        broker: the broker.
        store: the write store.
        clock: the time.
        appended: called after events were appended.
    """

    def __init__(
        self, feed: Feed, broker: Broker, store: WriteStore, clock: Clock, appended: Callable[[], None]
    ) -> None:
        self.feed = feed
        self.error: Exception | None = None
        """What it fails with at the moment."""
        self.consumer: Consumer | None = None
        """What receives, once there is a broker."""
        self.parked = 0
        """How many messages it has parked since it was started, because they are no events."""
        self._broker = broker
        self._store = store
        self._clock = clock
        self._appended = appended

    async def run(self) -> None:
        """Receive until cancelled. What is not accepted by then is delivered again."""
        pause = FIRST_PAUSE
        while True:
            try:
                transport = await self._broker.reach()
                async with transport.consume(self.feed) as consumer:
                    self.consumer, self.error = consumer, None
                    while True:
                        deliveries = await consumer.receive(limit=_BATCH)
                        await self._take_surely(consumer, deliveries)
                        self.error, pause = None, FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                self.consumer, self.error = None, error
                tell(logger, error, "%s cannot receive and goes on in %.2f s", self.feed.consumer, pause)
                await anyio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)

    async def _take_surely(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        """Take messages, in their order; while the store is away, wait for it."""
        pause = FIRST_PAUSE
        readable, unreadable = _decoded(deliveries)
        while True:
            try:
                while unreadable:
                    await self._park(consumer, *unreadable[-1])
                    unreadable.pop()
                await self._take(consumer, readable)
                return
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                pause = FIRST_PAUSE if self.error is None else min(pause * 2, LAST_PAUSE)
                self.error = error
                tell(
                    logger, error, "%s cannot record what it received and goes on in %.2f s", self.feed.consumer, pause
                )
                await anyio.sleep(pause)

    async def _park(self, consumer: Consumer, delivery: Delivery, error: UndecodableEvent) -> None:
        logger.warning("%s parks message %s: %s", self.feed.consumer, delivery.message.id, error)
        await consumer.park(delivery, str(error))
        self.parked += 1

    async def _take(self, consumer: Consumer, readable: Sequence[tuple[Delivery, Arrived | Progress]]) -> None:
        try:
            await self._record(readable)
        except DuplicateEvent:
            # The inbox has forgotten one that the log still has: find out which.
            for each in readable:
                try:
                    await self._record([each])
                except DuplicateEvent:
                    logger.info("%s received message %s once more", self.feed.consumer, each[0].message.id)
        await consumer.accept([delivery for delivery, _ in readable])

    async def _record(self, received: Sequence[tuple[Delivery, Arrived | Progress]]) -> None:
        """Append what is new, and note how far the source has come, in one transaction.

        Raises:
            DuplicateEvent: an event is in the log, and not in the inbox.
        """
        transaction = await self._store.begin()
        try:
            recorded = await self._append(transaction, received)
            arrived = {each[0].partition: each[1].checkpoint for each in received if isinstance(each[1], Progress)}
            log = await self._store.log.identity()
            for number, position in recorded.items():
                await self._note(transaction, part_of(self.feed.consumer, number).recorded, Checkpoint(position, log))
            for number, checkpoint in arrived.items():
                await self._note(transaction, part_of(self.feed.consumer, number).arrived, checkpoint)
            await transaction.commit()
        finally:
            with anyio.CancelScope(shield=True):
                await transaction.rollback()
        if recorded or arrived:
            self._appended()

    async def _append(
        self, transaction: WriteTransaction, received: Sequence[tuple[Delivery, Arrived | Progress]]
    ) -> dict[int, Position]:
        """Append the events that the inbox does not know; return the last position of each part."""
        now, last = self._clock.now(), dict[int, Position]()
        for (number, stream), run in groupby(_events(received), lambda each: (each[0].partition, each[1].stream)):
            new = [
                arrived.event
                for delivery, arrived in run
                if await transaction.claim_message(self.feed.consumer, delivery.message.id, time=now)
            ]
            if new:
                last[number] = (await transaction.append(stream, new, expected=Expected.ANY))[-1].position
        return last

    async def _note(self, transaction: WriteTransaction, name: str, checkpoint: Checkpoint) -> None:
        found = await self._store.checkpoint(name)
        if found is not None and found.log != checkpoint.log:
            logger.warning("%s: the source has another log than before (%s, now %s)", name, found.log, checkpoint.log)
        elif found is not None and found.position >= checkpoint.position:
            return
        try:
            await transaction.advance(name, expected=found, to=checkpoint)
        except CheckpointMoved:
            logger.info("%s: another process received it as well", name)
            raise


def _decoded(
    deliveries: Sequence[Delivery],
) -> tuple[list[tuple[Delivery, Arrived | Progress]], list[tuple[Delivery, UndecodableEvent]]]:
    """Part what can be read from what cannot, the last of these first."""
    readable: list[tuple[Delivery, Arrived | Progress]] = []
    unreadable: list[tuple[Delivery, UndecodableEvent]] = []
    for delivery in deliveries:
        try:
            readable.append((delivery, decode(delivery.message.body)))
        except UndecodableEvent as error:
            unreadable.insert(0, (delivery, error))
    return readable, unreadable


def _events(received: Sequence[tuple[Delivery, Arrived | Progress]]) -> Iterator[tuple[Delivery, Arrived]]:
    return ((delivery, found) for delivery, found in received if isinstance(found, Arrived))


class Arrivals:
    """Knows which events of other logs are recorded here, so that a token of another application can be waited for.

    Args:
        store: the write store.
        feeds: what is received, each with the number of its parts.
        sources: the applications that it comes from.
    """

    def __init__(self, store: WriteStore, feeds: Sequence[tuple[Feed, int]], sources: Sequence[str]) -> None:
        self.sources = tuple(dict.fromkeys(sources))
        self.name = ", ".join(feed.consumer for feed, _ in feeds)
        """What receives them, for people."""
        self._store = store
        self._parts = [part_of(feed.consumer, number) for feed, count in feeds for number in range(count)]

    async def wait(
        self, elsewhere: Sequence[Written], log: str, seconds: float
    ) -> tuple[Sequence[Written], Sequence[Written]]:
        """Wait for what was written to other logs; return where it is in this one, and what has not arrived by then.

        Args:
            elsewhere: what was written.
            log: the identity of this log.
            seconds: how long to wait at most; not at all when it is 0.

        Raises:
            ForeignLog: nothing that was received here comes from such a log.
        """
        deadline, pause = anyio.current_time() + seconds, _FIRST_POLL
        arrived: list[Written] = []
        missing = list(elsewhere)
        while missing:
            position = await self._position_of(missing[0])
            if position is not None:
                arrived.append(Written(log, position, ()))
                del missing[0]
                continue
            left = deadline - anyio.current_time()
            if left <= 0:
                break
            await anyio.sleep(min(pause, left))
            pause = min(pause * 2, _LAST_POLL)
        return arrived, missing

    async def _position_of(self, written: Written) -> Position | None:
        """Return the position here behind which nothing of that comes any more; None when it may yet."""
        upto, foreign = START, 0
        for part in self._parts:
            arrived = await self._store.checkpoint(part.arrived)
            if arrived is not None and arrived.log != written.log:
                foreign += 1
                continue
            if arrived is None or arrived.position < written.position:
                return None
            recorded = await self._store.checkpoint(part.recorded)
            upto = max(upto, recorded.position if recorded is not None else START)
        if foreign == len(self._parts):
            raise ForeignLog(
                f"cannot resume this session: its token belongs to log {written.log}, and no application whose events are "
                f"received here ({self.name}) has that log. Start a session without it."
            )
        return upto
