"""The changes of one transaction on top of the committed data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from twofold.ports import Position, StoredEvent

from ._tables import GONE, Tables


class Mark(NamedTuple):
    """The changes of a transaction at a savepoint."""

    changes: dict[str, dict[Any, Any]]
    appended: int
    tagged: int
    loaded: dict[Any, str]


class Overlay:
    """The tables as one transaction sees them: a committed state, with its own changes on top.

    Args:
        tables: the committed data.
        frozen: ignore later commits of other transactions.
    """

    __slots__ = ("_frozen", "_head", "_tables", "appended", "changes", "loaded", "tagged")

    def __init__(self, tables: Tables, *, frozen: bool = False) -> None:
        self._tables = tables
        self._frozen = dict(tables.entries) if frozen else None
        self._head = tables.head if frozen else None
        self.changes: dict[str, dict[Any, Any]] = {}
        self.appended: list[StoredEvent] = []
        self.tagged: list[tuple[str, StoredEvent]] = []
        self.loaded: dict[Any, str] = {}
        """The states that the transaction loaded or wrote last, by key."""

    def mark(self) -> Mark:
        """Return the changes until now."""
        changes = {table: dict(changed) for table, changed in self.changes.items()}
        return Mark(changes, len(self.appended), len(self.tagged), dict(self.loaded))

    def undo(self, mark: Mark) -> None:
        """Undo all changes since a mark."""
        self.changes, self.loaded = mark.changes, mark.loaded
        del self.appended[mark.appended :], self.tagged[mark.tagged :]

    def get(self, table: str, key: Any) -> Any:
        """Return an entry, or None."""
        value = self.changes.get(table, {}).get(key)
        if value is None:
            value = self._committed(table).get(key)
        return None if value is GONE else value

    def put(self, table: str, key: Any, value: Any) -> None:
        """Change an entry; `GONE` removes it."""
        self.changes.setdefault(table, {})[key] = value

    def clear(self, table: str) -> None:
        """Remove all entries of a table."""
        for key, _ in list(self.items(table)):
            self.put(table, key, GONE)

    def items(self, table: str) -> Iterator[tuple[Any, Any]]:
        """Iterate over the entries of a table, in the order in which their keys were added."""
        changed = self.changes.get(table, {})
        committed = self._committed(table)
        for key, value in committed.items():
            seen = changed.get(key, value)
            if seen is not GONE:
                yield key, seen
        for key, value in changed.items():
            if key not in committed and value is not GONE:
                yield key, value

    def stream(self, name: str) -> list[StoredEvent]:
        """Return the events of a stream, including the events of this transaction."""
        events = self._tables.streams.get(name, [])
        if self._head is not None:
            events = [event for event in events if event.position <= self._head]
        return [*events, *(event for event in self.appended if event.stream == name)]

    @property
    def head(self) -> Position:
        """The position of the last committed event."""
        return self._tables.head if self._head is None else self._head

    def events(self) -> Iterator[StoredEvent]:
        """Iterate over all events, including the events of this transaction, by ascending position."""
        head = self.head
        yield from (event for event in self._tables.events if event.position <= head)
        yield from self.appended

    def tagged_events(self, tag: str) -> dict[Position, StoredEvent]:
        """Return the events with a tag by their positions, including the events of this transaction."""
        head = self.head
        found = {position: event for position, event in self._tables.tagged.get(tag, {}).items() if position <= head}
        found.update((event.position, event) for own, event in self.tagged if own == tag)
        return found

    def stream_version(self, name: str) -> int:
        """Return the number of events of a stream, including the events of this transaction."""
        for event in reversed(self.appended):
            if event.stream == name:
                return event.version
        return len(self._tables.streams.get(name, ()))

    def knows(self, event_id: Any) -> bool:
        """Return whether an event id is in the log, including the events of this transaction."""
        return event_id in self._tables.ids or event_id in [event.id for event in self.appended]

    def _committed(self, table: str) -> dict[Any, Any]:
        entries = self._tables.entries if self._frozen is None else self._frozen
        return entries.get(table, {})


@asynccontextmanager
async def changing(tables: Tables) -> AsyncIterator[Overlay]:
    """Change tables in a short transaction of the store itself."""
    async with tables.turn:
        overlay = Overlay(tables)
        yield overlay
        tables.commit(overlay.appended, overlay.tagged, overlay.changes)
