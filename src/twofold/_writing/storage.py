"""How an aggregate is kept, alike to whoever uses the repository: as state, or as its events (`_event_sourced`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.message import Event
from ..errors import ConcurrencyConflict, ConfigurationError
from ..ports.event_log import Expected, ExpectedVersion
from ..ports.transactions import WriteTransaction


class AggregateRemoved(Event, name="twofold.aggregate_removed"):
    """The last event of an aggregate that was removed. Its id cannot be used again."""

    aggregate: str
    id: str


@dataclass(slots=True)
class Tracked:
    """An aggregate that a unit of work knows.

    Attributes:
        aggregate: the object that the handler changes.
        version: the version it was loaded at, in the count of its storage; 0 for a new one.
        verify: check the version at commit even when nothing was recorded.
        removed: remove it at commit.
    """

    aggregate: Aggregate
    version: int
    verify: bool = False
    removed: bool = False

    @property
    def id(self) -> str:
        found = getattr(self.aggregate, "id", None)
        if found is None:
            kind = type(self.aggregate).__name__
            raise ConfigurationError(
                f"cannot save {kind}: its id is not set. Annotate `id` in the class body, and set self.id before it is "
                f"added: in the method on its first event, or in __init__ when {kind} is made by that."
            )
        return str(found)

    @property
    def stream(self) -> str:
        return stream_of(type(self.aggregate), self.id)


class Storage(Protocol):
    """How aggregates of one type are loaded and saved."""

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        """Return a fresh object of the stored aggregate, or None."""
        ...

    async def save(self, transaction: WriteTransaction, tracked: Tracked) -> ExpectedVersion | None:
        """Write the state; return what its stream must be when the events are appended, None to skip an empty append."""
        ...


class StateStored:
    """The state is in tables of its own, guarded by a version column; the events are appended beside it."""

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        found = await transaction.state(aggregate_type).load(id)
        if found is None:
            return None
        return Tracked(cast(Aggregate, found.aggregate), found.version)

    async def save(self, transaction: WriteTransaction, tracked: Tracked) -> ExpectedVersion | None:
        state = transaction.state(type(tracked.aggregate))
        if tracked.removed:
            await state.delete(tracked.id, tracked.aggregate, expected=tracked.version)
            return Expected.ANY
        if tracked.version == 0:
            await state.insert(tracked.id, tracked.aggregate)
            return Expected.NO_STREAM
        if tracked.verify:  # an update that finds nothing to write checks nothing
            await self._verify(transaction, tracked)
        await state.update(tracked.id, tracked.aggregate, expected=tracked.version)
        return Expected.ANY

    async def _verify(self, transaction: WriteTransaction, tracked: Tracked) -> None:
        actual = await transaction.state(type(tracked.aggregate)).version(tracked.id)
        if actual != tracked.version:
            raise ConcurrencyConflict(tracked.stream, expected=tracked.version, actual=actual or 0)


class Kept:
    """A storage that makes sure that nobody has kept aggregates of its type in another way before.

    What one way has written the other does not see; it would go on from where it was itself, and nobody would notice.

    Args:
        storage: how they are kept.
        way: what that is called: "state" or "events".
    """

    def __init__(self, storage: Storage, way: str) -> None:
        self._storage = storage
        self._way = way
        self._certain = False
        self._noting: WriteTransaction | None = None

    async def load(self, transaction: WriteTransaction, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        if not self._certain:
            await self._noted(transaction, aggregate_type)
        return await self._storage.load(transaction, aggregate_type, id)

    async def save(self, transaction: WriteTransaction, tracked: Tracked) -> ExpectedVersion | None:
        aggregate_type = type(tracked.aggregate)
        if not self._certain and not await self._noted(transaction, aggregate_type):
            await transaction.storage_kinds.add(aggregate_type.aggregate_name, self._way)
            self._noting = transaction
        return await self._storage.save(transaction, tracked)

    async def _noted(self, transaction: WriteTransaction, aggregate_type: type[Aggregate]) -> bool:
        """Return whether the way was noted; it is certain when another transaction than this one did that.

        Raises:
            ConfigurationError: another way was noted.
        """
        found = await transaction.storage_kinds.get(aggregate_type.aggregate_name)
        if found is not None and found != self._way:
            name = aggregate_type.__name__
            advice = "Put it into event_sourced=" if found == "events" else "Take it out of event_sourced="
            raise ConfigurationError(
                f"cannot keep {name} as {self._way}: this store has kept it as {found}, which would not be seen. "
                f"{advice}, or give the aggregate another name and bring the old ones over."
            )
        self._certain = found is not None and transaction is not self._noting
        return found is not None


def removal(tracked: Tracked) -> AggregateRemoved:
    """Return the event that says an aggregate is gone."""
    return AggregateRemoved(aggregate=type(tracked.aggregate).aggregate_name, id=tracked.id)


def snapshot(aggregate: Aggregate) -> dict[str, Any]:
    """Return the attributes of an aggregate, deep enough to put them back."""
    from copy import deepcopy

    return {name: deepcopy(value) for name, value in vars(aggregate).items() if not name.startswith("_sa_")}


def restore(aggregate: Aggregate, attributes: dict[str, Any]) -> None:
    """Put back the attributes that `snapshot` took."""
    for name in [name for name in vars(aggregate) if name not in attributes and not name.startswith("_sa_")]:
        delattr(aggregate, name)
    for name, value in attributes.items():
        setattr(aggregate, name, value)
