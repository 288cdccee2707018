"""Tags of events: criteria that select events by them, and conditions on later events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from .._definitions.position import START, Position


class Criterion(NamedTuple):
    """A criterion that selects events.

    Attributes:
        names: the wire names of the events; None for events of every name.
        tags: the tags that an event must have, all of them, the most selective first. Empty: events with any tags, or none.
    """

    names: frozenset[str] | None
    tags: tuple[str, ...]

    def __str__(self) -> str:
        names = "events" if self.names is None else " or ".join(sorted(self.names))
        return f"{names} with {' and '.join(self.tags)}" if self.tags else names


class AppendCondition(NamedTuple):
    """A condition of a commit: the log has no other matching events than those that were read.

    Attributes:
        criteria: an event matches if one of these selects it.
        last: the position of the last matching event that was read; `since` if there was none.
        number: the number of matching events that were read after `since`.
        since: a position as `LogWriter.settled` returned it before the events were read. Events up to it are not checked.
    """

    criteria: tuple[Criterion, ...]
    last: Position
    number: int
    since: Position = START

    def __str__(self) -> str:
        return f"the boundary of {', or '.join(map(str, self.criteria)):.300}"


class TagEntry(NamedTuple):
    """A tag of a stored event."""

    position: Position
    name: str
    tag: str


class TagRecords(Protocol):
    """The tags of events that are already stored, and which of them are complete: `WriteTransaction.tags`."""

    async def progress(self, name: str) -> Mapping[str, Position | None]:
        """Return the fields of the events of a name whose values are stored as tags.

        Returns:
            For each field: None if every stored event has its tags, otherwise the position up to which they were added.
        """
        ...

    async def record(self, name: str, field: str, filled: Position | None) -> None:
        """Store how far the tags of a field are complete: a value of `progress`. An existing record is replaced."""
        ...

    async def add(self, entries: Sequence[TagEntry]) -> None:
        """Add tags to stored events. A tag that an event has already is skipped."""
        ...

    async def remove(self, name: str, fields: Collection[str]) -> None:
        """Delete the records of some fields of the events of a name. Their tags stay."""
        ...
