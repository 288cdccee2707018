"""Events of other applications: received through a broker, and recorded in this application's own log.

From there the one runner takes them to projections and event handlers, with checkpoints, retries and parking as for any event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias
from uuid import UUID, uuid4

import anyio

from .._background.backoff import Backoff
from .._background.failures import tell
from .._consistency.arrivals import part_of
from .._definitions.position import Position
from .._writing.transactions import trial, writing
from ..errors import CheckpointMoved, CommitFailed, DuplicateEvent, TransientFailure, UndecodableEvent
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock
from ..ports.event_log import Expected, NewEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from ..ports.transport import Consumer, Delivery, Feed
from .broker import Broker
from .cloud_events import Arrived, Mark, Wanted
from .cloud_events_reading import decode

logger = logging.getLogger("twofold.inbound")

Received: TypeAlias = tuple[Delivery, Arrived | Mark | None]
"""A message with what is in it; None when that is for another feed."""

_BATCH = 200
"""How many messages are recorded in one transaction at most."""

_AGAIN = TransientFailure, CommitFailed, CheckpointMoved
"""Failures that say nothing about the messages."""


class Inbound:
    """Receives one feed. A message is noted in the inbox and its event appended in one transaction, then accepted.

    Args:
        feed: what is received.
        wanted: what it is about.
        broker: the broker.
        store: the write store.
        clock: the time.
        appended: called after events were appended.
    """

    def __init__(
        self,
        feed: Feed,
        wanted: Wanted,
        broker: Broker,
        store: WriteStore,
        clock: Clock,
        appended: Callable[[], None],
    ) -> None:
        self.feed = feed
        self.error: Exception | None = None
        """What it fails with at the moment."""
        self.consumer: Consumer | None = None
        """What receives, once there is a broker."""
        self.parked = 0
        """How many messages it has parked since it was started, because they are no events or cannot be recorded."""
        self._wanted = wanted
        self._broker = broker
        self._store = store
        self._clock = clock
        self._appended = appended

    async def run(self) -> None:
        """Receive until cancelled. What is not accepted by then is delivered again."""
        backoff = Backoff()
        while True:
            try:
                transport = await self._broker.reach()
                async with transport.consume(self.feed) as consumer:
                    self.consumer, self.error = consumer, None
                    while True:
                        deliveries = await consumer.receive(limit=_BATCH)
                        await self._take_surely(consumer, deliveries)
                        self.error = None
                        backoff.reset()
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                self.consumer, self.error, delay = None, error, backoff.next()
                tell(logger, error, "%s cannot receive and goes on in %.2f s", self.feed.consumer, delay)
                await anyio.sleep(delay)

    async def _take_surely(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        """Take messages, in their order; while the store is away, wait for it."""
        backoff = Backoff()
        readable, unreadable = self._decoded(deliveries)
        while True:
            try:
                while unreadable:
                    await self._park(consumer, *unreadable[-1])
                    unreadable.pop()
                await self._take(consumer, readable)
                return
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                self.error, delay = error, backoff.next()
                tell(
                    logger, error, "%s cannot record what it received and goes on in %.2f s", self.feed.consumer, delay
                )
                await anyio.sleep(delay)

    def _decoded(self, deliveries: Sequence[Delivery]) -> tuple[list[Received], list[tuple[Delivery, str]]]:
        """Part what can be read from what cannot, the last of these first."""
        readable: list[Received] = []
        unreadable: list[tuple[Delivery, str]] = []
        for delivery in deliveries:
            try:
                readable.append((delivery, decode(delivery.message.body, self._wanted)))
            except UndecodableEvent as error:
                unreadable.insert(0, (delivery, str(error)))
        return readable, unreadable

    async def _park(self, consumer: Consumer, delivery: Delivery, reason: str) -> None:
        logger.warning("%s parks message %s: %s", self.feed.consumer, delivery.message.id, reason)
        await consumer.park(delivery, reason)
        self.parked += 1

    async def _take(self, consumer: Consumer, readable: list[Received]) -> None:
        try:
            await self._record(readable)
        except _AGAIN:
            raise
        except Exception as error:  # noqa: BLE001 -- found out below
            logger.info("%s takes what it received one by one: %s", self.feed.consumer, error)
            await self._take_one_by_one(consumer, readable)
        await consumer.accept([delivery for delivery, _ in readable])

    async def _take_one_by_one(self, consumer: Consumer, readable: list[Received]) -> None:
        """Find what the inbox has forgotten and the log still has, and park what the store will never take."""
        for each in tuple(readable):
            delivery, found = each
            try:
                await self._record([each])
            except DuplicateEvent:
                if not isinstance(found, Arrived):
                    raise
                logger.info("%s received message %s once more", self.feed.consumer, delivery.message.id)
                await self._record([each], known={found.event.id: await self._place_of(found)})
            except _AGAIN:
                raise
            except Exception as error:  # noqa: BLE001 -- raised if it is no fault of the message, else parked
                await self._try_store()
                await self._park(consumer, delivery, f"the store refuses it: {type(error).__name__}: {error}")
                readable.remove(each)

    async def _try_store(self) -> None:
        """Raise what the store fails with if it takes no ordinary event either; nothing is written."""
        event = NewEvent(uuid4(), min(self._wanted.types), 1, "{}", "{}", self._clock.now())
        async with trial(self._store) as transaction:
            await transaction.log.append(f"{self._wanted.source}/", [event], expected=Expected.ANY)

    async def _place_of(self, arrived: Arrived) -> Position:
        """Return where an event is that the log has already."""
        places = {stored.id: stored.position async for stored in self._store.log.read(arrived.stream)}
        return places.get(arrived.event.id) or await self._store.log.head()

    async def _record(self, received: Sequence[Received], *, known: Mapping[UUID, Position] | None = None) -> None:
        """Append what is new, and note how far the source has come, in one transaction; none when there is no news.

        Args:
            received: messages in their order.
            known: events of them that are in the log already, and where.

        Raises:
            DuplicateEvent: an event is in the log, and neither in the inbox nor known.
        """
        consumer, store = self.feed.consumer, self._store
        events = [(delivery, found) for delivery, found in received if isinstance(found, Arrived)]
        marks = {
            part_of(consumer, delivery.partition).arrived: found.checkpoint
            for delivery, found in received
            if isinstance(found, Mark)
        }
        recorded = {part_of(consumer, delivery.partition).recorded for delivery, _ in events}
        before = {name: await store.subscriptions.checkpoint(name) for name in (*marks, *recorded)}
        # A lower one counts too, as that of a source that was restored from a backup.
        moved = {name: mark for name, mark in marks.items() if mark != before[name]}
        if not events and not moved:
            return
        log = await store.log.identity()
        async with writing(store) as transaction:
            places = await self._append(transaction, events, known or {})
            for name, position in places.items():
                last = before[name]
                if last is None or last.log != log or last.position < position:
                    await transaction.checkpoints.advance(name, expected=last, to=Checkpoint(position, log))
            for name, mark in moved.items():
                _warn_of_another_log(name, before[name], mark)
                await transaction.checkpoints.advance(name, expected=before[name], to=mark)
        if places:
            self._appended()

    async def _append(
        self,
        transaction: WriteTransaction,
        events: Sequence[tuple[Delivery, Arrived]],
        known: Mapping[UUID, Position],
    ) -> Mapping[str, Position]:
        """Append the events that the inbox does not know; return where the last one of each part is."""
        now, last = self._clock.now(), dict[str, Position]()
        for (number, stream), run in groupby(events, lambda each: (each[0].partition, each[1].stream)):
            claimed = [
                arrived.event
                for _, arrived in run
                if await transaction.inbox.claim(self.feed.consumer, str(arrived.event.id), time=now)
            ]
            places = [known[event.id] for event in claimed if event.id in known]
            new = [event for event in claimed if event.id not in known]
            if new:
                stored = await transaction.log.append(stream, new, expected=Expected.ANY)
                places.append(stored[-1].position)
            if places:
                name = part_of(self.feed.consumer, number).recorded
                last[name] = max(last.get(name, places[-1]), *places)
        return last


def _warn_of_another_log(name: str, before: Checkpoint | None, mark: Checkpoint) -> None:
    if before is not None and before.log != mark.log:
        logger.warning("%s: the source has another log than before (%s, now %s)", name, before.log, mark.log)
