"""How the changes of a unit of work are stored: the state of aggregates, and their events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from typing import Protocol, TypeAlias, cast
from uuid import UUID

from .._background.tasks import RunningTask
from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._encoding.message_json import Metadata, event_name, new_events
from .._encoding.wire_types import EventTypes
from ..errors import AggregateExists, ConcurrencyConflict, ConfigurationError
from ..ports.clock import Clock, Ids
from ..ports.event_log import Expected, ExpectedVersion, NewEvent, StoredEvent
from ..ports.stores import WriteStore
from ..ports.tags import AppendCondition
from ..ports.transactions import WriteTransaction
from .changes import Changes, not_added
from .inline import InlineProjections
from .tag_completeness import TagCompleteness
from .tracked import AggregateRemoved, Tracked, removal

Committed: TypeAlias = Callable[[Sequence[StoredEvent]], Awaitable[None]]
"""Called with the events of a unit of work after its commit, before the callbacks of the handler."""

Append: TypeAlias = tuple[str, Sequence[Event], ExpectedVersion]
"""A stream, the events to append to it, and the version that it must have before."""

Encoded: TypeAlias = tuple[str, Sequence[NewEvent], ExpectedVersion]
"""The same with encoded events."""


class Storage(Protocol):
    """Loads and saves aggregates of one type."""

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

    Each kind of storage ignores the data of the other, so a switch would silently continue from old state.

    Attributes:
        storage: the storage.
        way: its name: "state" or "events".
    """

    storage: Storage
    way: str
    _certain: bool = field(default=False, init=False)
    _recorded_in: WriteTransaction | None = field(default=None, init=False)

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        if not self._certain:
            await self._is_recorded(transaction, aggregate_type)
        return await self.storage.load(transaction, aggregate_type, id)

    async def save(
        self, transaction: WriteTransaction, tracked: Tracked, events: Sequence[Event]
    ) -> ExpectedVersion | None:
        aggregate_type = type(tracked.aggregate)
        if not self._certain and not await self._is_recorded(transaction, aggregate_type):
            await transaction.storage_kinds.add(aggregate_type.aggregate_name, self.way)
            self._recorded_in = transaction
        return await self.storage.save(transaction, tracked, events)

    async def _is_recorded(self, transaction: WriteTransaction, aggregate_type: type[Aggregate]) -> bool:
        """Return whether the store knows the way; it is certain once another transaction than this one has written it.

        Raises:
            ConfigurationError: the store knows another way.
        """
        found = await transaction.storage_kinds.get(aggregate_type.aggregate_name)
        if found is not None and found != self.way:
            name = aggregate_type.__name__
            advice = "Put it into event_sourced=" if found == "events" else "Take it out of event_sourced="
            raise ConfigurationError(
                f"cannot store {name} as {self.way}: this store contains {name} as {found}, which would be ignored. "
                f"{advice}, or give the aggregate another name and migrate the old ones."
            )
        self._certain = found is not None and transaction is not self._recorded_in
        return found is not None


@dataclass(frozen=True, slots=True)
class WriteSide:
    """The shared settings of all units of work of an application.

    Attributes:
        store: the write store.
        storages: the storage of each aggregate type.
        inline: the inline projections.
        committed: called after each commit of events.
        clock: the time.
        ids: makes identifiers.
        running: returns the running task.
        event_types: decodes events.
        handled_types: the classes of events that handlers are registered for, base classes among them.
        tags: the completeness of the tags of events.
        commit: commits a transaction.
    """

    store: WriteStore
    storages: Mapping[type[Aggregate], Storage]
    inline: InlineProjections
    committed: list[Committed]
    clock: Clock
    ids: Ids
    running: RunningTask
    event_types: EventTypes
    handled_types: tuple[type[Event], ...] = ()
    tags: TagCompleteness = field(default_factory=TagCompleteness)
    commit: Callable[[WriteTransaction], Awaitable[None]] = methodcaller("commit")

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
            ConcurrencyConflict: an aggregate or a stream has another version than expected, or a boundary was violated.
            AggregateExists: the stream of a new aggregate exists.
            NotAdded: an aggregate recorded an event, and was neither added nor loaded.
            EventNotRecordable: a field of an event has no JSON, or holds a secret.
            ConfigurationError: handlers of a base class of an event do not know the event.
        """
        appends: list[Append] = []
        for tracked in changes.tracked.values():
            try:
                append = await self._save(transaction, tracked)
            except AggregateExists as exists:
                raise await self._added_before(tracked.stream, changes.missing, exists) from exists
            if append is not None:
                appends.append(append)
        for aggregate, _, _ in changes.touched:
            if aggregate is not None and aggregate._recorded:  # the saved aggregates have none left
                raise not_added(aggregate)
        for stream, event in changes.recorded:
            appends.append((stream or f"message-{cause().id}", [event], Expected.ANY))
        checked = changes.conditions and (changes.last_steps or changes.tracked)
        stored = await self._append(transaction, appends, changes, cause) if appends or checked else []
        if stored and self.committed:
            changes.after[:0] = [partial(call, stored) for call in self.committed]
        for step in changes.last_steps:
            await step(transaction, stored)
        return stored

    async def _append(
        self, transaction: WriteTransaction, appends: Sequence[Append], changes: Changes, cause: Callable[[], Envelope]
    ) -> list[StoredEvent]:
        causes = {id(event): by for _, event, by in changes.touched if by.parent is not None}
        outer, now = cause(), self.clock.now()
        ids: list[UUID] = []
        types: set[type[Event]] = set()
        for _, events, _ in appends:
            for event in events:
                if event.message_name not in self.event_types.by_name and isinstance(event, self.handled_types):
                    raise self._unknown(event)
                ids.append(self.ids.new())
                types.add(type(event))
        if not self.tags.compared.issuperset(types):
            await self.tags.record(transaction, types)
        new_ids = iter(ids)
        names = {event_name(event) for _, events, _ in appends for event in events} if self.inline.projections else ()
        inline = await self.inline.hold(transaction, names) if names else ()
        metadata, encoded = Metadata(outer, causes), list[Encoded]()
        for stream, events, expected in appends:
            encoded.append((stream, new_events(events, new_ids, now, metadata), expected))
        if changes.conditions or len(encoded) > 1:
            await self._guard(transaction, encoded, changes.conditions)
        stored = await self._store(transaction, encoded, changes)
        for projection in inline:
            await projection.apply(transaction, stored)
        return stored

    async def _store(
        self, transaction: WriteTransaction, encoded: Sequence[Encoded], changes: Changes
    ) -> list[StoredEvent]:
        """Append encoded events."""
        stored: list[StoredEvent] = []
        for stream, new, expected in encoded:
            try:
                entries = await transaction.log.append(stream, new, expected=expected, inline=self.inline.generation)
            except ConcurrencyConflict as conflict:
                if expected is not Expected.NO_STREAM:
                    raise
                exists = AggregateExists(
                    f"cannot add {stream}: its stream has {conflict.actual} event(s) already. "
                    "Choose another id, or load the aggregate and change it."
                )
                raise await self._added_before(stream, changes.missing, exists) from conflict
            stored.extend(entries)
        return stored

    async def _guard(
        self, transaction: WriteTransaction, encoded: Sequence[Encoded], conditions: Sequence[AppendCondition]
    ) -> None:
        """Check the boundaries that were read, before the first append."""
        tags = {tag for _, new, _ in encoded for event in new for tag in event.tags}
        if conditions or tags:
            await transaction.log.guard(conditions, tags)

    def _unknown(self, event: Event) -> ConfigurationError:
        """Return the error for an event that handlers of its base class would never receive."""
        name, base = type(event).__qualname__, next(each for each in self.handled_types if isinstance(event, each))
        if several := self.event_types.candidates(event_name(event)):
            return ConfigurationError(
                f"cannot record {name}: several event classes are named {event.message_name!r}, "
                f"{' and '.join(f'{each.__module__}.{each.__qualname__}' for each in several)}. Rename all but one, or "
                "register a handler for the one that is meant."
            )
        return ConfigurationError(
            f"cannot record {name}: its base class {base.__qualname__} has handlers, and {name} was defined after the "
            "application started, so they would not receive it. Import its module before `async with app:`."
        )

    async def _added_before(self, stream: str, missing: Collection[str], exists: AggregateExists) -> Exception:
        """Return the error for a new aggregate that exists.

        If its handler looked for it before and found none, another command has added it in the meantime, and a repeat loads
        it. An aggregate that was removed is not found either, and a repeat would not help.
        """
        if stream not in missing:
            return exists
        version, removed = 0, False
        async for event in self.store.log.read(stream):
            version, removed = event.version, event.name == AggregateRemoved.message_name
        return exists if removed else ConcurrencyConflict(stream, expected=0, actual=version or None)

    async def _save(self, transaction: WriteTransaction, tracked: Tracked) -> Append | None:
        """Save the state of an aggregate; return the events to append to its stream."""
        aggregate = tracked.aggregate
        events, stream = aggregate._take_recorded(), stream_of(type(aggregate), tracked.id)
        expected = await self.storages[type(aggregate)].save(transaction, tracked, events)
        if tracked.removed:
            events.append(removal(tracked))
        if events or expected not in (None, Expected.ANY, Expected.NO_STREAM):
            return stream, events, Expected.ANY if expected is None else expected
        return None
