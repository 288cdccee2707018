"""Events and their columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table

from twofold.ports import Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._dialects import Dialect
from .._dialects.fields import Convert, Kind


class EventColumns:
    """The way of events to their columns and back, bound to a dialect.

    Args:
        dialect: says how ids and times are kept.
    """

    WRITTEN: tuple[str, ...] = ("stream", "version", "name", "schema_version", "time", "id", "metadata", "data")
    """The columns, in the order of `values`."""

    def __init__(self, dialect: Dialect) -> None:
        self._readable = dialect.readable
        uuid, time = dialect.codec(Kind.UUID), dialect.codec(Kind.DATETIME)
        self._put_id, self._put_time = _given(uuid.encode), _given(time.encode)
        self._get_id, self._get_time = _given(uuid.decode), _given(time.decode)

    def values(self, stream: str, version: int, event: NewEvent | StoredEvent) -> tuple[Any, ...]:
        """Return an event's values, in the order of `WRITTEN`."""
        time, identity = self._put_time(event.time), self._put_id(event.id)
        return stream, version, event.name, event.schema, time, identity, event.metadata, event.data

    def time(self, value: Any) -> Any:
        """Return a time as it is kept; None for none."""
        return None if value is None else self._put_time(value)

    def read_time(self, value: Any) -> Any:
        """Return a kept time; None for none."""
        return None if value is None else self._get_time(value)

    def selected(self, table: Table) -> Sequence[ColumnElement[Any]]:
        """Return the columns from which `stored` makes events."""
        return [table.c.position, *(self._readable(table.c[name]) for name in self.WRITTEN)]

    def stored(self, row: Sequence[Any]) -> StoredEvent:
        """Make an event from the columns of `selected`."""
        position, stream, version, name, schema, time, identity, metadata, data = row
        return StoredEvent(
            self._get_id(identity),
            name,
            schema,
            data,
            metadata,
            self._get_time(time),
            stream,
            version,
            Position(position),
        )


def exact(expected: ExpectedVersion) -> int | None:
    """Return the version that is expected, None when no exact one is."""
    if isinstance(expected, int):
        return expected
    return 0 if expected is Expected.NO_STREAM else None


def _given(convert: Convert) -> Callable[[Any], Any]:
    return convert if convert is not None else _same


def _same(value: Any) -> Any:
    return value
