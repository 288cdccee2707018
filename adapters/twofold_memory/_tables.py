"""What is committed, and what one transaction has changed on top of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from twofold.ports import START, Position, StoredEvent

GONE: Final = object()
"""Stands in an overlay for an entry that was removed."""

STATES: Final = "states"
PARTITIONS: Final = "partitions"
ATTENDING: Final = "attending"
SNAPSHOTS: Final = "snapshots"
PARKED: Final = "parked"
KEYS: Final = "keys"
INBOX: Final = "inbox"
SCHEDULE: Final = "schedule"
KEPT: Final = "kept"
ROWS: Final = "rows:"
"""The names of the tables; those of rows end with the name of their view."""


class Row(NamedTuple):
    """A stored row: JSON text, or None for one that was deleted, and the position that wrote it."""

    text: str | None
    position: Position


class Tables:
    """The committed data. Events only grow; a table of entries is copied before a commit when a reader still looks at it."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.positions: list[Position] = []
        self.streams: dict[str, list[StoredEvent]] = {}
        self.ids: set[Any] = set()
        self.entries: dict[str, dict[Any, Any]] = {}
        self.readers = 0

    @property
    def head(self) -> Position:
        """The position of the last committed event."""
        return self.positions[-1] if self.positions else START

    def commit(self, appended: list[StoredEvent], changes: dict[str, dict[Any, Any]]) -> None:
        """Make a transaction's changes visible, all at once: nothing is awaited in between."""
        for event in appended:
            self.events.append(event)
            self.positions.append(event.position)
            self.ids.add(event.id)
            self.streams.setdefault(event.stream, []).append(event)
        for name, changed in changes.items():
            table = self.entries.get(name, {})
            if self.readers:
                table = dict(table)
            for key, value in changed.items():
                if value is GONE:
                    table.pop(key, None)
                else:
                    table[key] = value
            self.entries[name] = table


class Mark(NamedTuple):
    """Where a transaction was when it opened a savepoint."""

    changes: dict[str, dict[Any, Any]]
    appended: int
    loaded: dict[Any, str]


class Overlay:
    """The tables as one transaction sees them: a committed state, with its own changes on top.

    Args:
        tables: the committed data.
        frozen: keep seeing the state of now, whatever others commit.
    """

    def __init__(self, tables: Tables, *, frozen: bool) -> None:
        self._tables = tables
        self._frozen = dict(tables.entries) if frozen else None
        self._head = tables.head if frozen else None
        self.changes: dict[str, dict[Any, Any]] = {}
        self.appended: list[StoredEvent] = []
        self.loaded: dict[Any, str] = {}
        """The states that the transaction loaded or wrote, as they were then."""

    def mark(self) -> Mark:
        """Return where the transaction is now."""
        changes = {table: dict(changed) for table, changed in self.changes.items()}
        return Mark(changes, len(self.appended), dict(self.loaded))

    def undo(self, mark: Mark) -> None:
        """Go back to where the transaction was."""
        self.changes, self.loaded = mark.changes, mark.loaded
        del self.appended[mark.appended :]

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
        """Iterate over the entries of a table, in the order in which their keys came."""
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
        """Return the events of a stream, those appended here included."""
        events = self._tables.streams.get(name, [])
        if self._head is not None:
            events = [event for event in events if event.position <= self._head]
        return [*events, *(event for event in self.appended if event.stream == name)]

    def stream_version(self, name: str) -> int:
        """Return how many events a stream has, those appended here included."""
        appended = next((event.version for event in reversed(self.appended) if event.stream == name), None)
        return appended or len(self._tables.streams.get(name, ()))

    def knows(self, event_id: Any) -> bool:
        """Return whether an event id is in the log or was appended here."""
        return event_id in self._tables.ids or any(event.id == event_id for event in self.appended)

    def _committed(self, table: str) -> dict[Any, Any]:
        entries = self._tables.entries if self._frozen is None else self._frozen
        return entries.get(table, {})
