"""Operations on events of other applications: list those that their source has lost, and accept the loss."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from .._definitions.position import START, Position
from .._encoding.metadata import origin_of, source_of
from .._integration.source_losses import is_after, loss_names, open_loss
from .._subscriptions.browsing import EventRecord, record_of
from .._writing.transactions import writing
from ..ports.event_log import StoredEvent
from .operating import Operating

if TYPE_CHECKING:
    from .._integration.inbound import Inbound

_BATCH = 500


class SourceOperations(Operating):
    """The operations on events of other applications."""

    async def lost_events(self, consumer: str, *, limit: int = 1_000) -> Sequence[EventRecord]:
        """Return events that are recorded here and that the event log of their application has lost.

        The source failed over to a replica that was behind, or was restored from a backup; `health()` reports it as
        `source_lost_events`. The events stay in the log here. Compensate for their effects where needed, then call
        `accept_loss`. New events of the source are recorded all the time. The call reads the whole log.

        Args:
            consumer: the name of the consumer, such as "depot.shop".
            limit: the maximum number of events; the first ones are returned.

        Returns:
            The events; empty if there is no loss, or if it was accepted. An event is missing if the source has assigned its
            position, and no earlier position of a lost event, to an event that is not received here.

        Raises:
            LookupError: the application has no such consumer.
        """
        store, inbound = self._running().parts.write, self._inbound(consumer)
        lost, names = await open_loss(store, consumer), loss_names(consumer)
        last, noticed = [await store.subscriptions.checkpoint(name) for name in (names.last, names.noticed)]
        if lost is None or last is None or noticed is None:
            return ()
        common, newer, found = lost.position, set[UUID](), list[EventRecord]()
        (shown_by,) = (await self._running().log.events.read_all(after=Position(last.position - 1), limit=1)).events
        reached = max(lost.position, (origin_of(shown_by) or ("", START))[1])
        async for event, position in self._received(inbound, lost.log, last.position, None):
            if position <= reached and is_after(event.time, shown_by):
                common = min(common, Position(position - 1))
                newer.add(event.id)
        async for event, position in self._received(inbound, lost.log, START, noticed.position):
            if position > common and event.id not in newer:
                found.append(record_of(event, self._running().log.event_types))
                if len(found) == limit:
                    break
        return tuple(found)

    async def _received(
        self, inbound: Inbound, log: str, after: Position, last: Position | None
    ) -> AsyncGenerator[tuple[StoredEvent, Position]]:
        """Yield the events from a log of the source that are recorded here, with their positions there."""
        events = self._running().log.events
        while last is None or after < last:
            page = await events.read_all(after=after, limit=_BATCH, names=inbound.types)
            if page.last == after:
                return
            after = page.last
            for event in page.events:
                origin = origin_of(event)
                if last is not None and event.position > last:
                    return
                if origin is not None and origin[0] == log and source_of(event) == inbound.source:
                    yield event, origin[1]

    async def accept_loss(self, consumer: str) -> bool:
        """Accept that the source of a consumer has lost events that are recorded here. `health()` is clean afterwards.

        Args:
            consumer: the name of the consumer.

        Returns:
            Whether there was a loss to accept.

        Raises:
            LookupError: the application has no such consumer.
        """
        self._inbound(consumer)
        store, name = self._running().parts.write, loss_names(consumer).accepted
        lost, before = await open_loss(store, consumer), await store.subscriptions.checkpoint(name)
        if lost is None:
            return False
        async with writing(store) as transaction:
            await transaction.checkpoints.advance(name, expected=before, to=lost)
        return True
