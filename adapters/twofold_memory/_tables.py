"""The committed data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count, islice
from typing import Any, Final, NamedTuple

import anyio

from twofold.ports import START, Position, StoredEvent

GONE: Final = object()
"""The value of a removed entry in an overlay."""

STATES: Final = "states"
PARTITIONS: Final = "partitions"
ATTENDING: Final = "attending"
SNAPSHOTS: Final = "snapshots"
PARKED: Final = "parked"
PAUSES: Final = "pauses"
KEYS: Final = "keys"
INBOX: Final = "inbox"
SCHEDULE: Final = "schedule"
UNIQUE: Final = "unique"
STEPS: Final = "steps"
PROCESSES: Final = "processes"
KINDS: Final = "kinds"
INLINE: Final = "inline"
TAGGED: Final = "tagged"
GENERATIONS: Final = "generations"
ROWS: Final = "rows:"
"""The names of the tables; a table of rows ends with the name of its view."""


class Row(NamedTuple):
    """A stored row: JSON text, or None for a deleted row, and the position that wrote it."""

    text: str | None
    position: Position


class Tables:
    """The committed data. Events are only added. A commit copies a table of entries while a reader still uses it.

    Attributes:
        readers: the number of open transactions that read one state throughout.
        turn: acquired by a transaction from its first write to its end.
        run: what `ReadStore.run` returns; it changes when `lose` is called.
    """

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.positions: list[Position] = []
        self.streams: dict[str, list[StoredEvent]] = {}
        self.ids: dict[Any, Position] = {}
        self.tagged: dict[str, dict[Position, StoredEvent]] = {}
        self._correlations: dict[str, list[StoredEvent]] = {}
        self._correlated = 0
        self.entries: dict[str, dict[Any, Any]] = {}
        self.readers = 0
        self.turn = anyio.Semaphore(1)
        self.run = "1"
        self._next = count(START + 1)

    @property
    def head(self) -> Position:
        """The position of the last committed event."""
        return self.positions[-1] if self.positions else START

    def new_position(self) -> Position:
        """Return the next position of the log. A position that a transaction rolls back is not used again."""
        return Position(next(self._next))

    def correlated(self, correlation_id: str) -> Sequence[StoredEvent]:
        """Return the events whose metadata has a correlation id, in the order of the log."""
        for event in islice(self.events, self._correlated, None):
            fields = json.loads(event.metadata)
            found = fields.get("correlation_id") if isinstance(fields, dict) else None
            if isinstance(found, str):
                self._correlations.setdefault(found, []).append(event)
        self._correlated = len(self.events)
        return self._correlations.get(correlation_id, ())

    def lose(self, number: int) -> None:
        """Lose the last events, for tests: their positions are assigned again, as by a server that failed over."""
        for event in self.events[len(self.events) - number :]:
            self.streams[event.stream].remove(event)
            self.ids.pop(event.id, None)
            for tagged in self.tagged.values():
                tagged.pop(event.position, None)
        del self.events[len(self.events) - number :], self.positions[len(self.positions) - number :]
        self._correlations, self._correlated = {}, 0
        self._next = count(self.head + 1)
        self.run = str(int(self.run) + 1)

    def commit(
        self, appended: list[StoredEvent], tagged: list[tuple[str, StoredEvent]], changes: dict[str, dict[Any, Any]]
    ) -> None:
        """Make a transaction's changes visible in one step, without an await in between."""
        for tag, event in tagged:
            self.tagged.setdefault(tag, {})[event.position] = event
        for event in appended:
            self.events.append(event)
            self.positions.append(event.position)
            self.ids[event.id] = event.position
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
