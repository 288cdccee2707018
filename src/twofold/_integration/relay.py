"""The relay: a subscription that publishes events through a broker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

import anyio

from .._background.signal import Signal
from .._definitions.message import Event
from .._definitions.position import Position
from .._encoding.metadata import is_foreign
from .._subscriptions.processor import Advance, EventFailed, advance_only
from ..errors import MessageTooLarge, NotPublished, TransientFailure
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock, Ids
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from ..ports.transport import Outcome, WireMessage
from .broker import Broker
from .cloud_events import PROGRESS, Progress, encode_event, encode_progress

logger = logging.getLogger("twofold.relay")

_REPEAT = 2.0
"""How often an idle relay publishes its checkpoint again, in seconds."""

_GAP = 0.02
"""The shortest time between two such messages, in seconds."""


class RelayProcessor:
    """Publishes a batch of events, pipelined, and advances the checkpoint to the last event that the broker confirmed.

    An event without a receiver is retried and parked like an event whose handler fails. While the broker does not answer,
    the relay waits and parks nothing.

    Args:
        broker: the broker.
        store: the store of the events and of the checkpoint.
        source: the name of the application.
        partition_by: the event field with the ordering key; None for the stream.
        drop_unroutable: skip events without a receiver.
    """

    def __init__(
        self, broker: Broker, store: WriteStore, source: str, partition_by: str | None, *, drop_unroutable: bool
    ) -> None:
        self._broker = broker
        self._store = store
        self._source = source
        self._order_by = partition_by
        self._settled = {Outcome.CONFIRMED, Outcome.UNROUTABLE} if drop_unroutable else {Outcome.CONFIRMED}
        self._confirmed: set[UUID] = set()

    async def apply(
        self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, *, at: Position | None = None
    ) -> None:
        count = await self._publish(events) if events else 0
        await advance_only(self._store, advance, count)
        self._confirmed.difference_update(stored.id for stored, _ in events[:count])

    async def _publish(self, events: Sequence[tuple[StoredEvent, Event]]) -> int:
        """Publish the events that are not confirmed. Return the number of confirmed events before the first other one."""
        log = await self._store.log.identity()
        self._confirmed &= {stored.id for stored, _ in events}
        self._confirmed.update(stored.id for stored, _ in events if is_foreign(stored))
        messages = [self._message(stored, event, log) for stored, event in events if stored.id not in self._confirmed]
        outcomes = dict(zip((each.id for each in messages), await self._outcomes(messages), strict=True))
        self._confirmed.update(UUID(sent) for sent, outcome in outcomes.items() if outcome in self._settled)
        for index, (stored, _) in enumerate(events):
            if stored.id not in self._confirmed:
                if index:
                    return index
                raise self._failure(stored, outcomes[str(stored.id)])
        return len(events)

    async def _outcomes(self, messages: Sequence[WireMessage]) -> Sequence[Outcome | MessageTooLarge]:
        if not messages:
            return ()
        publisher = (await self._broker.reach()).publisher
        try:
            return await publisher.publish(messages)
        except MessageTooLarge as error:
            if len(messages) == 1:
                return [error]
        return await self._one_by_one(messages)

    async def _one_by_one(self, messages: Sequence[WireMessage]) -> Sequence[Outcome | MessageTooLarge]:
        """Publish messages of which one is too large. A message waits for earlier ones of its key."""
        outcomes: list[Outcome | MessageTooLarge] = []
        stopped = set[str | None]()
        for message in messages:
            (outcome,) = [Outcome.UNSENT] if message.key in stopped else await self._outcomes([message])
            if outcome is not Outcome.CONFIRMED:
                stopped.add(message.key)
            outcomes.append(outcome)
        return outcomes

    def _message(self, stored: StoredEvent, event: Event, log: str) -> WireMessage:
        key = stored.stream if self._order_by is None else str(getattr(event, self._order_by))
        body = encode_event(stored, source=self._source, key=key, log=log)
        return WireMessage(str(stored.id), stored.name, key, body)

    def _failure(self, stored: StoredEvent, outcome: Outcome | MessageTooLarge) -> Exception:
        """Return the error for the first event of a batch, which depends on the event or on the broker."""
        if isinstance(outcome, MessageTooLarge):
            return EventFailed(0, outcome)
        if outcome is Outcome.UNROUTABLE:
            return EventFailed(
                0,
                NotPublished(
                    f"cannot publish {stored.name} {stored.id}: the broker has no receiver for it. Start an application "
                    f"that consumes {stored.name} from {self._source!r}, remove the event from relay(), or use "
                    "relay(..., unroutable='drop')."
                ),
            )
        reason = self._broker.transport.publisher.trouble or outcome.value
        return NotPublished(
            f"cannot publish {stored.name} {stored.id}: the broker did not confirm it ({reason}). The relay retries."
        )


class ProgressReports:
    """Publishes the checkpoint of a relay, after all events up to the checkpoint, so that receivers can wait for events.

    Args:
        broker: the broker.
        source: the name of the application.
        clock: the clock.
        ids: creates identifiers.
    """

    def __init__(self, broker: Broker, source: str, clock: Clock, ids: Ids) -> None:
        self._broker = broker
        self._source = source
        self._clock = clock
        self._ids = ids
        self._moved = Signal()
        self._latest: Checkpoint | None = None

    def report(self, checkpoint: Checkpoint | None) -> None:
        """Note the checkpoint of the relay; None if another process runs the relay."""
        self._latest = checkpoint
        self._moved.send()

    async def run(self) -> None:
        """Publish the checkpoint when it has moved, and repeatedly. Publish nothing while the relay has parked events."""
        while True:
            seen, latest = self._moved.count, self._latest
            if latest is not None and not latest.parked:
                new_id = self._ids.new()
                body = encode_progress(Progress(self._source, latest), id=new_id, time=self._clock.now())
                message = WireMessage(str(new_id), progress_topic(self._source), None, body)
                try:
                    await (await self._broker.reach()).publisher.publish([message])
                except TransientFailure as error:
                    logger.debug("the checkpoint of the relay is not published: %s", error)
                    await anyio.sleep(_REPEAT)
                await anyio.sleep(_GAP)
            await self._moved.wait(seen, _REPEAT)


def progress_topic(source: str) -> str:
    """Return the topic of the progress reports of a source."""
    return f"{PROGRESS}.{source}"
