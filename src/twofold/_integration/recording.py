"""Record received events: append them, note them in the inbox, and advance the checkpoints of the feed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

from .._consistency.arrivals import part_of
from .._definitions.position import Position
from .._writing.transactions import writing
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock
from ..ports.event_log import Expected
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from ..ports.transport import Delivery
from .cloud_events import InboundEvent, Progress

logger = logging.getLogger("twofold.inbound")

Received: TypeAlias = tuple[Delivery, InboundEvent | Progress | None]
"""A message with its decoded content; None if the content belongs to another feed."""


class Recorder:
    """Records the messages of one consumer.

    Args:
        consumer: the name of the consumer.
        store: the write store.
        clock: the clock.
        appended: called after events were appended.
    """

    def __init__(self, consumer: str, store: WriteStore, clock: Clock, appended: Callable[[], None]) -> None:
        self._consumer = consumer
        self._store = store
        self._clock = clock
        self._appended = appended

    async def record(self, received: Sequence[Received], *, known: Mapping[UUID, Position] | None = None) -> None:
        """Append the new events, and write the progress of the source, in one transaction.

        Args:
            received: messages in their order.
            known: the positions of events that are in the log and no longer in the inbox.

        Raises:
            DuplicateEvent: an event is in the log, and neither in the inbox nor known.
        """
        consumer, store = self._consumer, self._store
        events = [(delivery, found) for delivery, found in received if isinstance(found, InboundEvent)]
        reports = {
            part_of(consumer, delivery.partition).arrived: found.checkpoint
            for delivery, found in received
            if isinstance(found, Progress)
        }
        recorded = {part_of(consumer, delivery.partition).recorded for delivery, _ in events}
        before = {name: await store.subscriptions.checkpoint(name) for name in (*reports, *recorded)}
        # A checkpoint may also move back, when the source was restored from a backup.
        moved = {name: checkpoint for name, checkpoint in reports.items() if checkpoint != before[name]}
        if not events and not moved:
            return
        log = await store.log.identity()
        async with writing(store) as transaction:
            positions = await self._append(transaction, events, known or {})
            for name, position in positions.items():
                last = before[name]
                if last is None or last.log != log or last.position < position:
                    await transaction.checkpoints.advance(name, expected=last, to=Checkpoint(position, log))
            for name, checkpoint in moved.items():
                _warn_of_another_log(name, before[name], checkpoint)
                await transaction.checkpoints.advance(name, expected=before[name], to=checkpoint)
        if positions:
            self._appended()

    async def record_duplicate(self, delivery: Delivery, event: InboundEvent) -> None:
        """Note an event in the inbox that is already in the log."""
        positions = {stored.id: stored.position async for stored in self._store.log.read(event.stream)}
        position = positions.get(event.event.id) or await self._store.log.head()
        await self.record([(delivery, event)], known={event.event.id: position})

    async def _append(
        self,
        transaction: WriteTransaction,
        events: Sequence[tuple[Delivery, InboundEvent]],
        known: Mapping[UUID, Position],
    ) -> Mapping[str, Position]:
        """Append the events that are not in the inbox. Return the last position of each partition."""
        now, last = self._clock.now(), dict[str, Position]()
        for (number, stream), run in groupby(events, lambda each: (each[0].partition, each[1].stream)):
            claimed = [
                inbound.event
                for _, inbound in run
                if await transaction.inbox.claim(self._consumer, str(inbound.event.id), time=now)
            ]
            positions = [known[event.id] for event in claimed if event.id in known]
            new = [event for event in claimed if event.id not in known]
            if new:
                stored = await transaction.log.append(stream, new, expected=Expected.ANY)
                positions.append(stored[-1].position)
            if positions:
                name = part_of(self._consumer, number).recorded
                last[name] = max(last.get(name, positions[-1]), *positions)
        return last


def _warn_of_another_log(name: str, before: Checkpoint | None, now: Checkpoint) -> None:
    if before is not None and before.log != now.log:
        logger.warning("%s: the source has another log than before (%s, now %s)", name, before.log, now.log)
