"""Move a subscription through the log: record, then advance; set aside what cannot be handled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from .._background.failures import reason_of, storable
from .._definitions.message import Event
from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from .._encoding.event_types import EventTypes
from .._writing.transactions import writing
from ..errors import CheckpointMoved, UndecodableEvent
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.clock import Clock
from ..ports.event_log import EventLog, LogPage, StoredEvent
from ..ports.parked import ParkedEvent
from ..ports.transactions import ReadTransaction
from .subscription import ItemFailed, Subscription


class Item(NamedTuple):
    """An event of a page: decoded, or with the reason why it cannot be."""

    stored: StoredEvent
    event: Event | None
    key: str
    reason: str = "follows an event of the same key that failed"


@dataclass(frozen=True, slots=True)
class Log:
    """A log with what it takes to understand it.

    Attributes:
        events: the log.
        identity: its identity.
        event_types: decodes its events.
        clock: the time.
    """

    events: EventLog
    identity: str
    event_types: EventTypes
    clock: Clock


class Progress:
    """Where one partition of a subscription stands, and the way on.

    Each step commits effects, checkpoint and what is set aside together. A page is one step when all goes well. An event
    that fails is held: it is set aside in the step that what comes before it is committed in, with the time of its next
    try, and parked when its tries are used up. Events of the same key that follow are set aside behind it, other keys flow.

    Args:
        subscription: the subscription.
        checkpoint: the partition's committed checkpoint.
        lease: the partition, and the right to move it.
        partitions: how many partitions there are.
        log: decodes events, and tells the time.
        report: called with each new checkpoint.
    """

    def __init__(
        self,
        subscription: Subscription,
        checkpoint: Checkpoint,
        lease: Lease,
        partitions: int,
        log: Log,
        report: Callable[[Checkpoint], None],
    ) -> None:
        self.checkpoint = checkpoint
        self._subscription = subscription
        self._lease = lease
        self._partitions = partitions
        self._log = log
        self._report = report
        self._parked_keys: set[str] | None = None

    async def take(self, page: LogPage) -> None:
        """Deal with a page of the log.

        Raises:
            CheckpointMoved: another worker was here first; nothing of the current step is committed.
            TwofoldError: the store failed; the checkpoint stands where the last step left it.
        """
        items = [item for stored in page.events if (item := self._decode(stored)) is not None]
        while self.checkpoint.position < page.last:
            ready, aside = await self._split(items)
            await self._pass(ready, aside, page.last)
            items = [item for item in items if item.stored.position > self.checkpoint.position]

    async def retry(self, key: str, due: datetime) -> None:
        """Try the events of a key again, in order, up to the first that still fails.

        Rows are written as of the checkpoint, so that they are newer than what later events of other keys wrote.

        Args:
            key: a key that is held.
            due: when it was to be tried; handed on to each next event of the key, so that a crash in between loses none.
        """
        for parked in await self._subscription.store.parked.read(self._subscription.name, key=key):
            try:
                event = self._log.event_types.decode_stored(parked.event)
                await self._step_again(parked, event, due)
            except UndecodableEvent as error:
                await self._blame(parked, error, None)
                return
            except ItemFailed as failed:
                await self._blame(parked, failed.error, self._next_try(parked.attempts + 1))
                return
        self._parked_keys = None

    async def _step_again(self, parked: ParkedEvent, event: Event, due: datetime) -> None:
        name, to = self._subscription.name, replace(self.checkpoint, parked=self.checkpoint.parked - 1)

        async def finish(transaction: ReadTransaction, done: int) -> None:
            if not await transaction.parked.remove(name, [parked.event.position]):
                raise CheckpointMoved(f"the event at {parked.event.position} is not set aside any more.")
            await transaction.parked.retry(name, parked.key, at=due)
            await self._move(transaction, to)

        await self._subscription.effect.apply([(parked.event, event)], finish, at=self.checkpoint.position)
        self._committed(Advance(to, set()))

    async def _blame(self, parked: ParkedEvent, error: Exception, again: datetime | None) -> None:
        blamed = parked._replace(
            reason=reason_of(error), attempts=parked.attempts + 1, time=self._log.clock.now(), again=again
        )
        async with writing(self._subscription.store) as transaction:
            await transaction.parked.update(self._subscription.name, blamed)
            await self._move(transaction, self.checkpoint)
        self._report(self.checkpoint)  # whoever waits for the event looks whether it is parked now

    def _next_try(self, attempts: int) -> datetime | None:
        """Return when an event is tried again that failed so many times, None when it is parked."""
        delay = self._subscription.retry.delay_after(attempts)
        return None if delay is None else self._log.clock.now() + timedelta(seconds=delay)

    async def _move(self, transaction: ReadTransaction, to: Checkpoint) -> None:
        await transaction.checkpoints.advance(
            self._subscription.name, expected=self.checkpoint, to=to, lease=self._lease
        )

    async def _pass(self, ready: Sequence[Item], aside: Sequence[ParkedEvent], last: Position) -> None:
        """Get past all events, or past the first that fails, or as far as the effect gets in one step."""
        while True:
            try:
                return await self._step(ready, aside, last)
            except ItemFailed as failed:
                item, now = ready[failed.index], self._log.clock.now()
                held = ParkedEvent(item.stored, item.key, reason_of(failed.error), 1, now, self._next_try(1))
                ready, aside, last = ready[: failed.index], [*aside, held], item.stored.position

    async def _step(self, ready: Sequence[Item], aside: Sequence[ParkedEvent], last: Position) -> None:
        """Apply events as far as the effect takes them in one step; all of them is as far as `last`."""
        advanced: Advance | None = None

        async def finish(transaction: ReadTransaction, done: int) -> None:
            nonlocal advanced
            upto = last if done == len(ready) else ready[done - 1].stored.position
            advanced = await self._advance(transaction, upto, aside)

        pairs = [(item.stored, item.event) for item in ready if item.event is not None]
        await self._subscription.effect.apply(pairs, finish)
        if advanced is not None:
            self._committed(advanced)

    async def _advance(self, transaction: ReadTransaction, upto: Position, aside: Sequence[ParkedEvent]) -> Advance:
        """Write the checkpoint, and set aside what it passes and cannot be applied."""
        passed = [each for each in aside if self.checkpoint.position < each.event.position <= upto]
        if passed:
            await transaction.parked.add(self._subscription.name, passed)
        to = Checkpoint(upto, self.checkpoint.log, self.checkpoint.parked + len(passed))
        await self._move(transaction, to)
        return Advance(to, {each.key for each in passed})

    def _committed(self, advanced: Advance) -> None:
        self.checkpoint = advanced.checkpoint
        if self._parked_keys is not None:
            self._parked_keys |= advanced.parked_keys
        self._report(self.checkpoint)

    async def _split(self, items: Sequence[Item]) -> tuple[list[Item], list[ParkedEvent]]:
        """Part the events that can be applied from those that cannot be decoded or whose key has some set aside."""
        if self._parked_keys is None:
            store, name = self._subscription.store, self._subscription.name
            self._parked_keys = set(await store.parked.keys(name)) if self.checkpoint.parked else set()
        waiting, now = set[str](), self._log.clock.now()
        ready: list[Item] = []
        aside: list[ParkedEvent] = []
        for item in items:
            if item.event is None or item.key in self._parked_keys or item.key in waiting:
                waiting.add(item.key)
                aside.append(ParkedEvent(item.stored, item.key, item.reason, 0, now))
            else:
                ready.append(item)
        return ready, aside

    def _decode(self, stored: StoredEvent) -> Item | None:
        """Return an event that falls to this partition, None for the others."""
        partition_by = self._subscription.partition_by
        if partition_by is None and not self._is_mine(stored.stream):
            return None
        try:
            event = self._log.event_types.decode_stored(stored)
        except UndecodableEvent as error:
            # Its ordering key cannot be known: its stream stands for it.
            mine = self._is_mine(stored.stream)
            return Item(stored, None, stored.stream, reason_of(error)) if mine else None
        key = stored.stream if partition_by is None else storable(str(getattr(event, partition_by)))
        return Item(stored, event, key) if self._is_mine(key) else None

    def _is_mine(self, key: str) -> bool:
        return partition_of(key, self._partitions) == self._lease.partition


class Advance(NamedTuple):
    """A step that was written and waits for its commit."""

    checkpoint: Checkpoint
    parked_keys: set[str]
