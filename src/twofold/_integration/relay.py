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
from .._subscriptions.subscription import Finish, ItemFailed, finish_only
from ..errors import MessageTooLarge, NotPublished, TransientFailure
from ..ports.checkpoints import Checkpoint
from ..ports.clock import Clock, Ids
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from ..ports.transport import Outcome, WireMessage
from .broker import Broker
from .cloud_events import PROGRESS, Mark, encode_event, encode_mark

logger = logging.getLogger("twofold.relay")

_AGAIN = 2.0
"""Seconds after which a relay that has nothing to do says again how far it has come."""

_RARELY = 0.02
"""Seconds between two such messages, at least."""


class RelayEffect:
    """Publishes a page of events, pipelined, and moves on behind those that the broker has confirmed.

    An event that has no receiver is held and parked as one that a handler cannot handle. A broker that is away holds the
    relay up, and nothing is set aside.

    Args:
        broker: the broker.
        store: where the events and the checkpoint are.
        source: the name of the application.
        partition_by: the event field that is the ordering key; the stream when None.
        drop_unroutable: go on behind events that have no receiver.
    """

    def __init__(
        self, broker: Broker, store: WriteStore, source: str, partition_by: str | None, *, drop_unroutable: bool
    ) -> None:
        self._broker = broker
        self._store = store
        self._source = source
        self._order_by = partition_by
        self._settled = {Outcome.CONFIRMED, Outcome.UNROUTABLE} if drop_unroutable else {Outcome.CONFIRMED}
        self._ahead: set[UUID] = set()

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        done = await self._publish(items) if items else 0
        await finish_only(self._store, finish, done)
        self._ahead.difference_update(stored.id for stored, _ in items[:done])

    async def _publish(self, items: Sequence[tuple[StoredEvent, Event]]) -> int:
        """Publish what is not confirmed yet; return how many are confirmed from the first on."""
        log = await self._store.log.identity()
        self._ahead &= {stored.id for stored, _ in items}
        self._ahead.update(stored.id for stored, _ in items if is_foreign(stored))
        messages = [self._message(stored, event, log) for stored, event in items if stored.id not in self._ahead]
        outcomes = dict(zip((each.id for each in messages), await self._publisher_says(messages), strict=True))
        self._ahead.update(UUID(sent) for sent, outcome in outcomes.items() if outcome in self._settled)
        for index, (stored, _) in enumerate(items):
            if stored.id not in self._ahead:
                if index:
                    return index
                raise self._failure(stored, outcomes[str(stored.id)])
        return len(items)

    async def _publisher_says(self, messages: Sequence[WireMessage]) -> Sequence[Outcome | MessageTooLarge]:
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
        """Publish where one is too large; what follows one of its key that is not confirmed waits."""
        outcomes: list[Outcome | MessageTooLarge] = []
        stopped = set[str | None]()
        for message in messages:
            (outcome,) = [Outcome.UNSENT] if message.key in stopped else await self._publisher_says([message])
            if outcome is not Outcome.CONFIRMED:
                stopped.add(message.key)
            outcomes.append(outcome)
        return outcomes

    def _message(self, stored: StoredEvent, event: Event, log: str) -> WireMessage:
        key = stored.stream if self._order_by is None else str(getattr(event, self._order_by))
        body = encode_event(stored, source=self._source, key=key, log=log)
        return WireMessage(str(stored.id), stored.name, key, body)

    def _failure(self, stored: StoredEvent, outcome: Outcome | MessageTooLarge) -> Exception:
        """Return why the first event of a page was not published: a fault of the event, or of the broker."""
        if isinstance(outcome, MessageTooLarge):
            return ItemFailed(0, outcome)
        if outcome is Outcome.UNROUTABLE:
            return ItemFailed(
                0,
                NotPublished(
                    f"cannot publish {stored.name} {stored.id}: the broker has no receiver for it. Start once what "
                    f"consumes {stored.name} from {self._source!r}, take it out of relay(), or say unroutable='drop'."
                ),
            )
        reason = self._broker.transport.publisher.trouble or outcome.value
        return NotPublished(
            f"cannot publish {stored.name} {stored.id}, and tries until the broker confirms it. It did not: {reason}"
        )


class Marks:
    """Tells the receivers of a relay how far it has come, behind all that it published up to there.

    Args:
        broker: the broker.
        source: the name of the application.
        clock: the time.
        ids: makes identifiers.
    """

    def __init__(self, broker: Broker, source: str, clock: Clock, ids: Ids) -> None:
        self._broker = broker
        self._source = source
        self._clock = clock
        self._ids = ids
        self._moved = Signal()
        self._latest: Checkpoint | None = None

    def report(self, checkpoint: Checkpoint | None) -> None:
        """Take note of the relay's checkpoint; None when another process runs it."""
        self._latest = checkpoint
        self._moved.send()

    async def run(self) -> None:
        """Publish it whenever it has moved, and now and then besides. A relay that has set events aside says nothing."""
        while True:
            seen, latest = self._moved.count, self._latest
            if latest is not None and not latest.parked:
                mark = self._ids.new()
                body = encode_mark(Mark(self._source, latest), id=mark, time=self._clock.now())
                message = WireMessage(str(mark), progress_topic(self._source), None, body)
                try:
                    await (await self._broker.reach()).publisher.publish([message])
                except TransientFailure as error:
                    logger.debug("receivers are not told how far the relay has come: %s", error)
                    await anyio.sleep(_AGAIN)
                await anyio.sleep(_RARELY)
            await self._moved.wait(seen, _AGAIN)


def progress_topic(source: str) -> str:
    """Return the topic of what says how far the relay of a source has come."""
    return f"{PROGRESS}.{source}"
