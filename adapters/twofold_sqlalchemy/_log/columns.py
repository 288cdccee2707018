"""The columns of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table

from twofold.ports import Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._dialects.codec import Convert, Kind
from .._dialects.dialect import Columns, Sql


class EventIds:
    """The conversion of ids of events to a column and back. None stays None.

    Args:
        columns: determine how ids are stored.
    """

    def __init__(self, columns: Columns) -> None:
        uuid = columns.codec(Kind.UUID)
        self._encode, self._decode = _converter(uuid.encode), _converter(uuid.decode)

    def encode(self, id: UUID | None) -> Any:
        """Return the value of a column."""
        return None if id is None else self._encode(id)

    def decode(self, value: Any) -> UUID | None:
        """Return the id."""
        found: UUID | None = None if value is None else self._decode(value)
        return found


class Times:
    """The conversion of times to a column and back. None stays None.

    Args:
        columns: determine how times are stored.
    """

    def __init__(self, columns: Columns) -> None:
        time = columns.codec(Kind.DATETIME)
        self._encode, self._decode = _converter(time.encode), _converter(time.decode)

    def encode(self, time: datetime | None) -> Any:
        """Return the value of a column."""
        return None if time is None else self._encode(time)

    def decode(self, value: Any) -> Any:
        """Return the time."""
        return None if value is None else self._decode(value)


class EventColumns:
    """The conversion of events to columns and back.

    Args:
        columns: determine how ids and times are stored.
        sql: determines how texts are read.
    """

    WRITTEN: tuple[str, ...] = ("stream", "version", "name", "schema_version", "time", "id", "metadata", "data")
    """The columns, in the order of `values`."""

    def __init__(self, columns: Columns, sql: Sql) -> None:
        self._readable = sql.readable
        uuid, time = columns.codec(Kind.UUID), columns.codec(Kind.DATETIME)
        self._encode_id, self._encode_time = _converter(uuid.encode), _converter(time.encode)
        self._decode_id, self._decode_time = _converter(uuid.decode), _converter(time.decode)

    def values(self, stream: str, version: int, event: NewEvent | StoredEvent) -> tuple[Any, ...]:
        """Return an event's values, in the order of `WRITTEN`."""
        time, identity = self._encode_time(event.time), self._encode_id(event.id)
        return stream, version, event.name, event.schema, time, identity, event.metadata, event.data

    def time(self, value: Any) -> Any:
        """Encode a time. None stays None."""
        return None if value is None else self._encode_time(value)

    def read_time(self, value: Any) -> Any:
        """Decode a time. None stays None."""
        return None if value is None else self._decode_time(value)

    def selected(self, table: Table) -> Sequence[ColumnElement[Any]]:
        """Return the expressions to select for `stored`."""
        return [table.c.position, *(self._readable(table.c[name]) for name in self.WRITTEN)]

    def stored(self, row: Sequence[Any]) -> StoredEvent:
        """Create an event from the values of `selected`."""
        position, stream, version, name, schema, time, identity, metadata, data = row
        return StoredEvent(
            self._decode_id(identity),
            name,
            schema,
            data,
            metadata,
            self._decode_time(time),
            stream,
            version,
            Position(position),
        )


def exact(expected: ExpectedVersion) -> int | None:
    """Return the expected version, or None if no particular version is expected."""
    if isinstance(expected, int):
        return expected
    return 0 if expected is Expected.NO_STREAM else None


def _converter(convert: Convert) -> Callable[[Any], Any]:
    return convert if convert is not None else _same


def _same(value: Any) -> Any:
    return value
