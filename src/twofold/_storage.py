"""How an aggregate is kept, alike to whoever uses the repository: as state, or as its events (`_event_sourced`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from ._aggregate import Aggregate, stream_of
from ._messages import Event
from .errors import ConcurrencyConflict
from .ports.event_log import Expected, ExpectedVersion
from .ports.stores import WriteTransaction


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
        return str(self.aggregate.id)

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
