"""Record received events: append them, record their ids in the inbox, and advance the checkpoints of the feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

from .._background.log_lines import logger_of
from .._consistency.arrivals import part_of
from .._consistency.known import Point
from .._encoding.message_json import event_tags
from .._encoding.metadata import source_of
from .._writing.storage import WriteSide
from .._writing.transactions import writing
from ..errors import DuplicateEvent
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import Expected, NewEvent, StoredEvent
from ..ports.transactions import WriteTransaction
from ..ports.transport import Delivery
from .cloud_events import InboundEvent, Progress
from .source_losses import SourceLosses

logger = logger_of("twofold.inbound")

Received: TypeAlias = tuple[Delivery, InboundEvent | Progress | None]
"""A message with its decoded content; None if the content belongs to another feed."""


class EventRecorder:
    """Records the messages of one consumer.

    Args:
        consumer: the name of the consumer.
        source: the application that publishes the events.
        side: the write side of the application.
        appended: called after events were appended.
    """

    def __init__(
        self,
        consumer: str,
        source: str,
        side: WriteSide,
        appended: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._side = side
        self._store = store = side.store
        self._appended = appended
        self._losses = SourceLosses(consumer, store)

    async def record(self, received: Sequence[Received], *, known: Mapping[UUID, Point] | None = None) -> None:
        """Append the new events, apply inline projections to them, and write the progress of the source, in one transaction.

        Args:
            received: messages in their order.
            known: the events that are in the log and no longer in the inbox.

        Raises:
            DuplicateEvent: an event is in the log, and neither in the inbox nor known.
            Exception: an inline projection failed.
        """
        consumer, store = self._consumer, self._store
        events = [(delivery, found) for delivery, found in received if isinstance(found, InboundEvent)]
        reports = {
            part_of(consumer, delivery.partition).arrived: found.checkpoint
            for delivery, found in received
            if isinstance(found, Progress)
        }
        recorded = {part_of(consumer, delivery.partition).recorded for delivery, _ in events}
        parts = [part_of(consumer, delivery.partition) for delivery, _ in received]
        started = {part.arrived: part.started for part in parts}
        before = {name: await store.subscriptions.checkpoint(name) for name in (*reports, *recorded)}
        # A checkpoint may also move back, when the source was restored from a backup.
        moved = {name: checkpoint for name, checkpoint in reports.items() if checkpoint != before[name]}
        loss = await self._losses.noticed(received)
        if not events and not moved and loss is None:
            return
        log = await store.log.identity()
        async with writing(store) as transaction:
            positions = await self._append(transaction, events, known or {})
            for name, (position, event) in positions.items():
                last = before[name]
                if last is None or last.log != log or last.position < position:
                    to = Checkpoint(position, log, event=event)
                    await transaction.checkpoints.advance(name, expected=last, to=to)
            for name, checkpoint in moved.items():
                _log_report(name, before[name], checkpoint)
                await transaction.checkpoints.advance(name, expected=before[name], to=checkpoint)
                if before[name] is None:
                    await transaction.checkpoints.advance(started[name], expected=None, to=checkpoint)
            if loss is not None:
                await loss.write(transaction)
        if loss is not None:
            logger.warning("%s: the event log of the source has lost events that are recorded here", consumer)
        if positions:
            self._appended()

    async def record_duplicate(self, delivery: Delivery, inbound: InboundEvent) -> None:
        """Record an event whose id is in the log: as known if it is the same event, else under its identity.

        Events of two sources may have the same id, and a source may use an id of this application.
        """
        source, event_id = self._source, inbound.event.id
        same = [
            Point(stored.position, stored.id)
            async for stored in self._store.log.read(inbound.stream)
            if stored.id in (event_id, inbound.identity) and source_of(stored) == source
        ]
        if same:
            await self.record([(delivery, inbound)], known={event_id: same[0]})
            return
        renamed = inbound._replace(event=inbound.event._replace(id=inbound.identity))
        try:
            await self.record([(delivery, renamed)])
        except DuplicateEvent:  # the sender has changed the subject of the event
            await self.record(
                [(delivery, renamed)], known={inbound.identity: Point(await self._store.log.head(), None)}
            )

    async def _append(
        self,
        transaction: WriteTransaction,
        events: Sequence[tuple[Delivery, InboundEvent]],
        known: Mapping[UUID, Point],
    ) -> Mapping[str, Point]:
        """Append the events that are not in the inbox. Return the last event of each partition."""
        side, last, appended = self._side, dict[str, Point](), list[StoredEvent]()
        now, generation = side.clock.now(), side.inline.generation
        inline = await side.inline.hold(transaction, {inbound.event.name for _, inbound in events})
        tags = await self._tags(transaction, [inbound.event for _, inbound in events])
        for (number, stream), run in groupby(events, lambda each: (each[0].partition, each[1].stream)):
            claimed = [
                inbound.event._replace(tags=tags.get(inbound.event.id, ()))
                for _, inbound in run
                if await transaction.inbox.claim(self._consumer, str(inbound.identity), time=now)
            ]
            points: list[Point] = [known[event.id] for event in claimed if event.id in known]
            new = [event for event in claimed if event.id not in known]
            if new:
                stored = await transaction.log.append(stream, new, expected=Expected.ANY, inline=generation)
                appended.extend(stored)
                points.append(Point(stored[-1].position, stored[-1].id))
            if points:
                name = part_of(self._consumer, number).recorded
                last[name] = max([last.get(name, points[-1]), *points], key=lambda point: point.position)
        for projection in inline:
            await projection.apply(transaction, appended)
        return last

    async def _tags(self, transaction: WriteTransaction, events: Sequence[NewEvent]) -> Mapping[UUID, tuple[str, ...]]:
        """Return the tags of received events, before the first of them is appended.

        Raises:
            UndecodableEvent: the class of an event has tags, and refuses its data. Without its tags, boundaries miss it.
        """
        side, known = self._side, self._side.event_types.known
        types = {each.name: found for each in events if (found := known(each.name)) is not None}
        if not side.tags.compared.issuperset(types.values()):
            await side.tags.record(transaction, types.values())
        tags = {
            each.id: event_tags(side.event_types.decode(each.name, each.schema, each.data))
            for each in events
            if each.name in types and types[each.name].message_tags
        }
        if tags:
            await transaction.log.guard((), {tag for found in tags.values() for tag in found})
        return tags


def _log_report(name: str, before: Checkpoint | None, now: Checkpoint) -> None:
    """Log an unexpected report. An earlier position does not prove a loss: brokers deliver messages again."""
    if before is None:
        return
    if before.log != now.log:
        logger.warning("%s: the source has another event log than before (%s, now %s)", name, before.log, now.log)
    elif before.position > now.position:
        text = "%s: the source reports position %d after %d: a report was delivered again, or its log has lost events"
        logger.info(text, name, now.position, before.position)
