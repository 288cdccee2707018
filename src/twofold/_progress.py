"""Move a subscription through the log: record, then advance; park what cannot be handled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import anyio

from ._event_types import EventTypes
from ._messages import Event
from ._segments import segment_of
from ._subscription import ItemFailed, Subscription
from .errors import CheckpointMoved, UndecodableEvent
from .ports.clock import Clock
from .ports.event_log import EventLog, LogPage, Position, StoredEvent
from .ports.stores import ReadTransaction
from .ports.subscription_store import Checkpoint, Lease, ParkedEvent


class Item(NamedTuple):
    """An event of a page: decoded, or with the reason why it cannot be."""

    stored: StoredEvent
    event: Event | None
    key: str
    reason: str = "follows a parked event of the same key"


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
    """Where one segment of a subscription stands, and the way on.

    Each step commits effects, checkpoint and parked events together. A page is one step when all goes well; an event
    that fails is set apart: what comes before it is committed, the event is tried alone with growing pauses, and parked
    when it still fails. Events of the same key that follow are parked behind it, other keys flow.

    Args:
        subscription: the subscription.
        checkpoint: the segment's committed checkpoint.
        lease: the segment, and the right to move it.
        segments: how many segments there are.
        log: decodes events, and tells the time.
        report: called with each new checkpoint.
    """

    def __init__(
        self,
        subscription: Subscription,
        checkpoint: Checkpoint,
        lease: Lease,
        segments: int,
        log: Log,
        report: Callable[[Checkpoint], None],
    ) -> None:
        self.checkpoint = checkpoint
        self._subscription = subscription
        self._lease = lease
        self._segments = segments
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
            ready, held = await self._split(items)
            try:
                await self._step(ready, held, page.last)
            except ItemFailed as failed:
                await self._set_apart(ready[: failed.index], ready[failed.index], held, failed.error)
            items = [item for item in items if item.stored.position > self.checkpoint.position]

    async def retry(self, key: str) -> None:
        """Try the parked events of a key again, in order, up to the first that still fails.

        Rows are written as of the checkpoint, so that they are newer than what later events of other keys wrote.
        """
        for parked in await self._subscription.store.parked(self._subscription.name, key=key):
            try:
                event = self._log.event_types.decode_stored(parked.event)
                await self._step_again(parked, event)
            except (ItemFailed, UndecodableEvent) as failed:
                error = failed.error if isinstance(failed, ItemFailed) else failed
                await self._blame(parked, error)
                return
        self._parked_keys = None

    async def _step_again(self, parked: ParkedEvent, event: Event) -> None:
        to = replace(self.checkpoint, parked=self.checkpoint.parked - 1)

        async def finish(transaction: ReadTransaction, done: int) -> None:
            if not await transaction.unpark(self._subscription.name, [parked.event.position]):
                raise CheckpointMoved(f"the event at {parked.event.position} is not parked any more.")
            await self._move(transaction, to)

        await self._subscription.effect.apply([(parked.event, event)], finish, at=self.checkpoint.position)
        self._committed(Advance(to, set()))

    async def _blame(self, parked: ParkedEvent, error: Exception) -> None:
        reason, now = f"{type(error).__name__}: {error}", self._log.clock.now()
        again = parked._replace(reason=reason, attempts=parked.attempts + 1, time=now)
        transaction = await self._subscription.store.begin()
        try:
            await transaction.blame(self._subscription.name, again)
            await transaction.ask_retry(self._subscription.name, parked.key, wanted=False)
            await self._move(transaction, self.checkpoint)
            await transaction.commit()
        finally:
            with anyio.CancelScope(shield=True):
                await transaction.rollback()

    async def _move(self, transaction: ReadTransaction, to: Checkpoint) -> None:
        await transaction.advance(self._subscription.name, expected=self.checkpoint, to=to, lease=self._lease)

    async def _step(self, ready: Sequence[Item], held: Sequence[Item], last: Position) -> None:
        """Apply events as far as the effect takes them in one step; all of them is as far as `last`."""
        advanced: Advance | None = None

        async def finish(transaction: ReadTransaction, done: int) -> None:
            nonlocal advanced
            upto = last if done == len(ready) else ready[done - 1].stored.position
            advanced = await self._advance(transaction, upto, held)

        pairs = [(item.stored, item.event) for item in ready if item.event is not None]
        await self._subscription.effect.apply(pairs, finish)
        if advanced is not None:
            self._committed(advanced)

    async def _set_apart(self, before: Sequence[Item], item: Item, held: Sequence[Item], error: Exception) -> None:
        """Get past an event that failed in a batch: commit what comes before it, or try it alone, or park it."""
        if before:
            await self._step(before, held, before[-1].stored.position)
            return
        for delay in self._subscription.retry.delays():
            await anyio.sleep(delay)
            try:
                await self._step((item,), held, item.stored.position)
                return
            except ItemFailed as again:
                error = again.error
        await self._park(item._replace(reason=f"{type(error).__name__}: {error}"), held)

    async def _park(self, failed: Item, held: Sequence[Item]) -> None:
        transaction = await self._subscription.store.begin()
        try:
            advanced = await self._advance(transaction, failed.stored.position, [*held, failed], failed)
            await transaction.commit()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await transaction.rollback()
            raise
        self._committed(advanced)

    async def _advance(
        self, transaction: ReadTransaction, upto: Position, held: Sequence[Item], failed: Item | None = None
    ) -> Advance:
        """Write the checkpoint, and park the held events that it passes."""
        attempts, now = self._subscription.retry.attempts, self._log.clock.now()
        passed = [item for item in held if self.checkpoint.position < item.stored.position <= upto]
        if passed:
            parked = [
                ParkedEvent(item.stored, item.key, item.reason, attempts if item is failed else 0, now)
                for item in passed
            ]
            await transaction.park(self._subscription.name, parked)
        to = Checkpoint(upto, self.checkpoint.log, self.checkpoint.parked + len(passed))
        await self._move(transaction, to)
        return Advance(to, {item.key for item in passed})

    def _committed(self, advanced: Advance) -> None:
        self.checkpoint = advanced.checkpoint
        if self._parked_keys is not None:
            self._parked_keys |= advanced.parked_keys
        self._report(self.checkpoint)

    async def _split(self, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Part the events that can be applied from those that cannot be decoded or follow a parked event of their key."""
        if self._parked_keys is None:
            store, name = self._subscription.store, self._subscription.name
            self._parked_keys = set(await store.parked_keys(name)) if self.checkpoint.parked else set()
        holding = set(self._parked_keys)
        ready: list[Item] = []
        held: list[Item] = []
        for item in items:
            if item.event is None or item.key in holding:
                holding.add(item.key)
                held.append(item)
            else:
                ready.append(item)
        return ready, held

    def _decode(self, stored: StoredEvent) -> Item | None:
        """Return an event that falls to this segment, None for the others."""
        order_by = self._subscription.order_by
        if order_by is None and not self._is_mine(stored.stream):
            return None
        try:
            event = self._log.event_types.decode_stored(stored)
        except UndecodableEvent as error:
            # Its ordering key cannot be known: its stream stands for it.
            mine = self._is_mine(stored.stream)
            return Item(stored, None, stored.stream, f"UndecodableEvent: {error}") if mine else None
        key = stored.stream if order_by is None else str(getattr(event, order_by))
        return Item(stored, event, key) if self._is_mine(key) else None

    def _is_mine(self, key: str) -> bool:
        return segment_of(key, self._segments) == self._lease.segment


class Advance(NamedTuple):
    """A step that was written and waits for its commit."""

    checkpoint: Checkpoint
    parked_keys: set[str]
