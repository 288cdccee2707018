"""The stored form of values on PostgreSQL: texts by code points, decimals and times exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Numeric,
    Text,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from twofold.errors import StorageError

from ..codec import Codec, Kind
from ..uuids import uuid_of

_CORRELATION: Final = """((CASE WHEN left(metadata::text, 19) = '{"correlation_id":"' THEN substr(metadata::text, 20, 36)
WHEN strpos(metadata::text, '\\u') = 0 THEN metadata ->> 'correlation_id' END) COLLATE "C")"""
"""The correlation id. The first case is the form in which Twofold writes metadata. In another form, an escape such as that
of a NUL is not read, because `->>` would refuse the whole text."""


class PostgreSQLColumns:
    """The `Columns` of PostgreSQL."""

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind of value is stored; see `_CODECS`."""
        return _CODECS[kind]

    def counter(self, name: str) -> Column[Any]:
        """Return an identity column."""
        return Column(name, BigInteger(), Identity(always=True), primary_key=True)

    def position(self, name: str) -> Column[Any]:
        """Return an identity column, which concurrent transactions increment."""
        return self.counter(name)

    def correlation_index(self, name: str) -> Sequence[SchemaItem]:
        """Return an index of an expression and the position, so that pages are read in the order of the index."""
        return [Index(name, literal_column(_CORRELATION), "position")]

    def correlation(self, metadata: Column[Any]) -> ColumnElement[Any]:
        """Return the indexed expression."""
        return literal_column(_CORRELATION, Text(collation="C"))

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return none."""
        return ()

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Return none."""
        return {}

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Return none."""
        return {}

    def same_type(self, found: str, wanted: TypeEngine[Any]) -> bool:
        """Compare the types' SQL without collations."""
        return found == wanted.compile(_DIALECT).split(" COLLATE")[0]


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise StorageError(
            f"cannot store {value.isoformat()}: it has no time zone, and times are stored in UTC. Add a time zone."
        )
    return value


def _utc(value: datetime) -> datetime:
    """Return a time in UTC. asyncpg stores the first and the last time as infinity, and reads both without a zone."""
    if value.tzinfo is UTC:
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _uuid(value: UUID) -> UUID:
    """Return a plain UUID; asyncpg returns its own subclass."""
    return uuid_of(value.int)


_DIALECT: Final[Any] = postgresql_dialect()  # type: ignore[no-untyped-call]

_CODECS: Final = {
    Kind.NAME: Codec(Text(collation="C"), exact=str),
    Kind.TEXT: Codec(Text(collation="C"), exact=str),
    Kind.INTEGER: Codec(BigInteger(), exact=int),
    Kind.BOOLEAN: Codec(Boolean(), exact=bool),
    Kind.FLOAT: Codec(Double(), exact=float),
    Kind.DECIMAL: Codec(Numeric(), exact=Decimal),
    Kind.DATETIME: Codec(DateTime(timezone=True), encode=_zoned, decode=_utc),
    Kind.DATE: Codec(Date()),
    Kind.UUID: Codec(Uuid(), decode=_uuid),
    Kind.JSON: Codec(JSON()),
}
