"""The operation that follows one interaction through the application."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from .._definitions.position import START, Position
from .._subscriptions.browsing import EventRecord
from .._subscriptions.message_path import HandlerState, MessagePath, PathHandler, tree_of
from .._subscriptions.subscription import Subscription
from ..ports.parked import ParkedEvent
from .event_operations import EventOperations

if TYPE_CHECKING:
    from .running import Running

_MOST = 1_000
"""The maximum number of events of a path."""


class PathOperations(EventOperations):
    """The operation on the messages of one correlation id."""

    async def path(self, correlation_id: UUID, *, before: int | None = None) -> MessagePath:
        """Return the messages of one correlation id as a tree: commands, their events, and what handled these.

        The path has at most the last 1,000 events of the correlation id. `MessagePath.complete` says whether these are all.

        Args:
            correlation_id: the correlation id, as `Envelope.correlation_id` and `EventRecord.correlation_id` have it.
            before: the position before which the events are; by default the end of the log.

        Raises:
            ValueError: the position is negative.
        """
        running = self._running()
        page = await self.events(correlation_id=correlation_id, before=before, newest_first=True, limit=_MOST)
        records = page.events[::-1]
        receivers = [
            await _Receiver.of(running, each)
            for each in running.assembly.subscriptions
            if each.kind != "cache" and any(each.events is None or record.name in each.events for record in records)
        ]

        def handlers(record: EventRecord) -> tuple[PathHandler, ...]:
            found = [each.handler(record) for each in receivers]
            return tuple(each for each in found if each is not None)

        return MessagePath(correlation_id, tree_of(records, handlers), page.next is None)


class _Receiver:
    """The progress of a subscription with the events of a path.

    Args:
        subscription: the subscription.
        position: its lowest checkpoint.
        parked: its parked events by their position.
    """

    def __init__(self, subscription: Subscription, position: Position, parked: dict[Position, ParkedEvent]) -> None:
        self._subscription = subscription
        self._position = position
        self._parked = parked
        self._pending = {each.key for each in parked.values() if each.again is not None}

    @classmethod
    async def of(cls, running: Running, subscription: Subscription) -> _Receiver:
        """Read the checkpoint and the parked events of a subscription."""
        partitions = await subscription.store.subscriptions.partitions(subscription.name)
        checkpoints = [each.checkpoint for each in partitions]
        any_parked = any(each.parked for each in checkpoints)
        parked = await subscription.store.parked.read(subscription.name) if any_parked else ()
        lowest = min((each.position for each in checkpoints), default=START)
        return cls(subscription, lowest, {each.event.position: each for each in parked})

    def handler(self, record: EventRecord) -> PathHandler | None:
        """Return what the subscription has done with an event; None if it does not receive the event."""
        events = self._subscription.events
        if events is not None and record.name not in events:
            return None
        name, kind = self._subscription.name, self._subscription.kind
        parked = self._parked.get(record.position)
        if parked is not None:
            state: HandlerState = "retrying" if parked.key in self._pending else "parked"
            return PathHandler(name, kind, state, parked.attempts, parked.reason)
        return PathHandler(name, kind, "passed" if record.position <= self._position else "waiting")
