"""The relay: a subscription that publishes events through a broker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import anyio

from .._background.failures import contained
from .._background.log_lines import logger_of
from .._background.signal import Signal
from .._definitions.message import Event
from .._definitions.position import Position
from .._encoding.metadata import is_foreign
from .._subscriptions.processor import Advance, EventFailed, advance_only
from ..errors import MessageTooLarge, NotPublished, TransientFailure
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock, Ids
from ..ports.event_log import StoredEvent
from ..ports.publisher import Outcome, Publisher, WireMessage
from ..ports.stores import WriteStore
from .broker import Broker
from .cloud_events import PROGRESS, FeedFilter, Progress, encode_event, encode_progress
from .cloud_events_decoding import decode
from .telemetry import RelayTelemetry

logger = logger_of("twofold.relay")


_REASONS = {Outcome.BEHIND: "it may have lost earlier events, which are published again first"}

_REPEAT = 2.0
"""Seconds after which an idle relay publishes its checkpoint again."""

_GAP = 0.02
"""The shortest time between two such messages, in seconds."""


@dataclass(slots=True, eq=False)
class RelayProcessor:
    """Publishes a batch of events, pipelined, and advances the checkpoint to the last event that the broker confirmed.

    An event without a receiver is retried and parked like an event whose handler fails. While the broker does not answer,
    the relay waits and parks nothing.

    Attributes:
        broker: the broker.
        store: the store of the events and of the checkpoint.
        source: the name of the application.
        partition_by: the event field with the ordering key; None for the stream.
        settled: the outcomes with which an event is published. With UNROUTABLE, events without a receiver are skipped.
        telemetry: records what is sent.
    """

    broker: Broker
    store: WriteStore
    source: str
    partition_by: str | None
    settled: Collection[Outcome]
    telemetry: RelayTelemetry
    _confirmed: set[UUID] = field(default_factory=set, init=False)

    async def apply(
        self,
        events: Sequence[tuple[StoredEvent, Event]],
        advance: Advance,
        *,
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        count = await self._publish(events) if events else 0
        await advance_only(self.store, advance, count)
        self._confirmed.difference_update(stored.id for stored, _ in events[:count])

    async def _publish(self, events: Sequence[tuple[StoredEvent, Event]]) -> int:
        """Publish the events that are not confirmed. Return the number of confirmed events before the first other one."""
        log = await self.store.log.identity()
        self._confirmed &= {stored.id for stored, _ in events}
        self._confirmed.update(stored.id for stored, _ in events if is_foreign(stored))
        to_send = [(stored, event) for stored, event in events if stored.id not in self._confirmed]
        messages, unreadable = self._messages(to_send, log)
        with self.telemetry.publishing([stored for stored, _ in to_send[: len(messages)]]):
            found = await self._outcomes(messages)
        self.telemetry.sent(found)
        outcomes = {stored.id: outcome for (stored, _), outcome in zip(to_send, found, strict=False)}
        self._confirmed.update(sent for sent, outcome in outcomes.items() if outcome in self.settled)
        for index, (stored, _) in enumerate(events):
            if stored.id not in self._confirmed:
                if index:
                    return index
                if unreadable is not None and not messages:
                    raise EventFailed(0, unreadable) from unreadable
                raise self._failure(stored, outcomes[stored.id])
        return len(events)

    def _messages(
        self, events: Sequence[tuple[StoredEvent, Event]], log: str
    ) -> tuple[list[WireMessage], Exception | None]:
        """Return the messages of events, up to the first one that cannot be encoded."""
        messages: list[WireMessage] = []
        mark = progress_topic(self.source)
        try:
            with contained():
                for stored, event in events:
                    messages.append(self._message(stored, event, log, mark))
        except Exception as error:  # noqa: BLE001 -- raised for the event, once the events before it are published
            return messages, error
        return messages, None

    async def _outcomes(self, messages: Sequence[WireMessage]) -> Sequence[Outcome | MessageTooLarge]:
        if not messages:
            return ()
        publisher = (await self.broker.reach()).publisher
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

    def _message(self, stored: StoredEvent, event: Event, log: str, mark: str) -> WireMessage:
        key = stored.stream if self.partition_by is None else str(getattr(event, self.partition_by))
        body = encode_event(stored, source=self.source, key=key, log=log)
        return WireMessage(str(stored.id), stored.name, key, body, mark)

    def _failure(self, stored: StoredEvent, outcome: Outcome | MessageTooLarge) -> Exception:
        """Return the error for the first event of a batch, which depends on the event or on the broker."""
        if isinstance(outcome, MessageTooLarge):
            return EventFailed(0, outcome)
        if outcome is Outcome.UNROUTABLE:
            return EventFailed(
                0,
                NotPublished(
                    f"cannot publish {stored.name} {stored.id}: the broker has no receiver for it. Start an application "
                    f"that consumes {stored.name} from {self.source!r}, remove the event from relay(), or use "
                    "relay(..., unroutable='drop')."
                ),
            )
        reason = self.broker.transport.publisher.problem or _REASONS.get(outcome, outcome.value)
        return NotPublished(
            f"cannot publish {stored.name} {stored.id}: the broker did not confirm it ({reason}). The relay retries."
        )


class Republish(Protocol):
    """Lets the relay publish events again."""

    async def begin(self, after: Checkpoint) -> None:
        """Move the checkpoint of the relay back to an earlier one.

        Raises:
            LookupError: the log does not have the event of the checkpoint.
        """
        ...

    async def passed(self, position: Position) -> None:
        """Return when the relay has published the events up to a position."""
        ...


@dataclass(slots=True, eq=False)
class ProgressReports:
    """Publishes the checkpoint of a relay, after all events up to the checkpoint, so that receivers can wait for events.

    Attributes:
        broker: the broker.
        store: the store of the events.
        source: the name of the application.
        clock: the clock.
        ids: creates identifiers.
        republish: lets the relay publish events again.
    """

    broker: Broker
    store: WriteStore
    source: str
    clock: Clock
    ids: Ids
    republish: Republish
    error: Exception | None = field(default=None, init=False)
    """Why events that the broker has lost cannot be published again."""
    _moved: Signal = field(default_factory=Signal, init=False)
    _latest: Checkpoint | None = field(default=None, init=False)

    def report(self, checkpoint: Checkpoint | None) -> None:
        """Record the checkpoint of the relay; None if another process runs the relay."""
        self._latest = checkpoint
        self._moved.send()

    async def run(self) -> None:
        """Publish the checkpoint when it has moved, and repeatedly. Publish nothing while the relay has parked events."""
        while True:
            seen, latest = self._moved.count, self._latest
            if latest is not None and not latest.parked:
                new_id = self.ids.new()
                try:
                    progress = Progress(self.source, latest, await self.store.log.head())
                    body = encode_progress(progress, id=new_id, time=self.clock.now())
                    message = WireMessage(str(new_id), progress_topic(self.source), None, body)
                    publisher = (await self.broker.reach()).publisher
                    (outcome,) = await publisher.publish([message])
                    if outcome is Outcome.BEHIND:
                        await self._recover(publisher, latest.position)
                except TransientFailure as error:
                    logger.debug("the checkpoint of the relay is not published: %s", error)
                    await anyio.sleep(_REPEAT)
                await anyio.sleep(_GAP)
            await self._moved.wait(seen, _REPEAT)

    async def _recover(self, publisher: Publisher, reached: Position) -> None:
        """Publish the events again that the broker may have lost. The checkpoint is published afterwards."""
        topic = progress_topic(self.source)
        accepted = FeedFilter(self.source, frozenset())
        found = [decode(body, accepted) for body in await publisher.kept(topic)]
        marks = [each.checkpoint for each in found if isinstance(each, Progress)]
        after = min(marks, key=lambda mark: mark.position, default=None)
        try:
            if after is not None and after.position < reached:
                logger.warning(
                    "the broker was restarted or replaced, and may have lost events that it confirmed. The relay publishes "
                    "the events after position %d again, up to position %d.",
                    *(after.position, reached),
                )
                await self.republish.begin(after)
            await publisher.resume(topic)
            self.error = None
            await self.republish.passed(reached)
        except LookupError as error:
            if self.error is None:
                logger.warning("the events that the broker may have lost cannot be published again: %s", error)
            self.error = error
            await anyio.sleep(_REPEAT)


def progress_topic(source: str) -> str:
    """Return the topic of the progress reports of a source."""
    return f"{PROGRESS}.{source}"
