"""How the changes of a unit of work are stored: the state of aggregates, and their events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

from .._background.tasks import RunningTask
from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._encoding.message_json import encode_metadata, new_events
from ..errors import AggregateExists, ConcurrencyConflict, ConfigurationError
from ..ports.clock import Clock, Ids
from ..ports.event_log import Expected, ExpectedVersion, StoredEvent
from ..ports.stores import WriteStore
from ..ports.transactions import WriteTransaction
from .changes import Changes
from .tracked import Tracked, removal

Inline: TypeAlias = Callable[[WriteTransaction, Sequence[tuple[StoredEvent, Event]]], Awaitable[None]]
"""Applies an inline projection to the events of a unit of work, inside its transaction."""

Append: TypeAlias = tuple[str, Sequence[Event], ExpectedVersion]
"""A stream, the events to append to it, and the version that it must have before."""


class Storage(Protocol):
    """How aggregates of one type are loaded and saved."""

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        """Return a new object with the stored state of an aggregate, or None."""
        ...

    async def save(
        self, transaction: WriteTransaction, tracked: Tracked, events: Sequence[Event]
    ) -> ExpectedVersion | None:
        """Write the state.

        Args:
            transaction: the transaction of the unit of work.
            tracked: the aggregate.
            events: the events that it recorded; they are appended afterwards.

        Returns:
            The version that its stream must have before the events are appended; None if nothing has to be checked when
            there are no events.
        """
        ...


class StateStored:
    """Keeps the state in tables of its own, guarded by a version column. The events are appended beside it."""

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        found = await transaction.state(aggregate_type).load(id)
        return None if found is None else Tracked(cast(Aggregate, found.aggregate), id, found.version)

    async def save(
        self, transaction: WriteTransaction, tracked: Tracked, events: Sequence[Event]
    ) -> ExpectedVersion | None:
        state = transaction.state(type(tracked.aggregate))
        if tracked.removed:
            await state.delete(tracked.id, tracked.aggregate, expected=tracked.version)
            return Expected.ANY
        if tracked.version == 0:
            await state.insert(tracked.id, tracked.aggregate)
            return Expected.NO_STREAM
        if tracked.verify:  # an update without a change checks no version
            actual = await state.version(tracked.id)
            if actual != tracked.version:
                raise ConcurrencyConflict(tracked.stream, expected=tracked.version, actual=actual or 0)
        await state.update(tracked.id, tracked.aggregate, expected=tracked.version)
        return Expected.ANY


@dataclass(slots=True)
class Kept:
    """A storage that makes sure that aggregates of its type were never stored in another way.

    Each way of storing ignores what the other one wrote, so a switch would silently continue from old state.

    Attributes:
        storage: the storage.
        way: its name: "state" or "events".
    """

    storage: Storage
    way: str
    _certain: bool = field(default=False, init=False)
    _noting: WriteTransaction | None = field(default=None, init=False)

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        if not self._certain:
            await self._noted(transaction, aggregate_type)
        return await self.storage.load(transaction, aggregate_type, id)

    async def save(
        self, transaction: WriteTransaction, tracked: Tracked, events: Sequence[Event]
    ) -> ExpectedVersion | None:
        aggregate_type = type(tracked.aggregate)
        if not self._certain and not await self._noted(transaction, aggregate_type):
            await transaction.storage_kinds.add(aggregate_type.aggregate_name, self.way)
            self._noting = transaction
        return await self.storage.save(transaction, tracked, events)

    async def _noted(self, transaction: WriteTransaction, aggregate_type: type[Aggregate]) -> bool:
        """Return whether the store knows the way; it is certain once another transaction than this one has written it.

        Raises:
            ConfigurationError: the store knows another way.
        """
        found = await transaction.storage_kinds.get(aggregate_type.aggregate_name)
        if found is not None and found != self.way:
            name = aggregate_type.__name__
            advice = "Put it into event_sourced=" if found == "events" else "Take it out of event_sourced="
            raise ConfigurationError(
                f"cannot keep {name} as {self.way}: this store has kept it as {found}, which would be ignored. "
                f"{advice}, or give the aggregate another name and migrate the old ones."
            )
        self._certain = found is not None and transaction is not self._noting
        return found is not None


@dataclass(frozen=True, slots=True)
class WriteSide:
    """What all units of work of an application have in common.

    Attributes:
        store: the write store.
        storages: the storage of each aggregate type.
        inline: apply the inline projections.
        clock: the time.
        ids: makes identifiers.
        running: returns the running task.
    """

    store: WriteStore
    storages: Mapping[type[Aggregate], Storage]
    inline: list[Inline]
    clock: Clock
    ids: Ids
    running: RunningTask

    async def write(
        self,
        transaction: WriteTransaction,
        changes: Changes,
        cause: Callable[[], Envelope],
    ) -> Sequence[StoredEvent]:
        """Write the changes of a unit of work into its transaction; return the events as stored.

        Aggregates are saved first. Their events are appended before the events that handlers recorded themselves. Inline
        projections follow, and then the last steps.

        Args:
            transaction: the transaction of the unit of work.
            changes: the changes.
            cause: returns the envelope of the message whose handler made the changes.

        Raises:
            ConcurrencyConflict: an aggregate or a stream has another version than expected.
            AggregateExists: the stream of a new aggregate exists.
            EventNotRecordable: a field of an event has no JSON, or holds a secret.
        """
        appends = [each for tracked in changes.tracked.values() if (each := await self._save(transaction, tracked))]
        for stream, event in changes.recorded:
            appends.append((stream, [event], Expected.ANY))
        stored = await self._append(transaction, appends, cause) if appends else []
        for step in changes.last_steps:
            await step(transaction, stored)
        return stored

    async def _append(
        self, transaction: WriteTransaction, appends: Sequence[Append], cause: Callable[[], Envelope]
    ) -> list[StoredEvent]:
        ids = iter([self.ids.new() for _, events, _ in appends for _ in events])
        envelope, now = cause(), self.clock.now()
        metadata = encode_metadata(envelope)
        stored: list[StoredEvent] = []
        recorded: list[Event] = []
        for stream, events, expected in appends:
            try:
                entries = await transaction.log.append(
                    stream, new_events(events, ids, now, metadata), expected=expected
                )
            except ConcurrencyConflict as conflict:
                if expected is not Expected.NO_STREAM:
                    raise
                raise AggregateExists(
                    f"cannot add {stream}: its stream has {conflict.actual} event(s) already. "
                    "Choose another id, or load the aggregate and change it."
                ) from conflict
            stored.extend(entries)
            recorded.extend(events)
        if stored and self.inline:
            pairs = list(zip(stored, recorded, strict=True))
            for apply in self.inline:
                await apply(transaction, pairs)
        return stored

    async def _save(self, transaction: WriteTransaction, tracked: Tracked) -> Append | None:
        """Save the state of an aggregate; return what is to be appended to its stream."""
        aggregate = tracked.aggregate
        events, stream = aggregate._take_recorded(), stream_of(type(aggregate), tracked.id)
        expected = await self.storages[type(aggregate)].save(transaction, tracked, events)
        if tracked.removed:
            events.append(removal(tracked))
        if events or expected not in (None, Expected.ANY, Expected.NO_STREAM):
            return stream, events, Expected.ANY if expected is None else expected
        return None
