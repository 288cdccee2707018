"""The stored form of values on SQLite: decimals, times and UUIDs as texts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Float, Index, Integer, Text, literal_column
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from ..codec import Codec, Kind
from ..uuids import uuid_of_text
from .decimals import plain, sortable, sortable_column

_CORRELATION: Final = """(CASE WHEN substr(metadata, 1, 19) = '{"correlation_id":"' THEN substr(metadata, 20, 36)
WHEN json_valid(metadata) THEN json_extract(metadata, '$.correlation_id') END)"""
"""The correlation id. The first case is the form in which Twofold writes metadata, and needs no parser."""


class SqliteColumns:
    """The `Columns` of SQLite."""

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind of value is stored; see `_CODECS`."""
        return _CODECS[kind]

    def counter(self, name: str) -> Column[Any]:
        """Return an INTEGER column, the only type that SQLite increments."""
        return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)

    def position(self, name: str) -> Column[Any]:
        """Return a counter."""
        return self.counter(name)

    def correlation_index(self, name: str) -> Sequence[SchemaItem]:
        """Return an index of an expression. Each entry ends with the position."""
        return [Index(name, literal_column(_CORRELATION))]

    def correlation(self, metadata: Column[Any]) -> ColumnElement[Any]:
        """Return the indexed expression."""
        return literal_column(_CORRELATION, Text())

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return none."""
        return ()

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Use AUTOINCREMENT, so that a number is not used again after a rollback or a DELETE."""
        return {"sqlite_autoincrement": True} if counted else {}

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Return none."""
        return {}

    def same_type(self, found: str, wanted: TypeEngine[Any]) -> bool:
        """Compare the types' SQL."""
        return _SHORT.get(found.upper(), found.upper()) == wanted.compile(_DIALECT)


def _sortable(value: datetime) -> str:
    """Write a time in UTC with microseconds. A time without a time zone is written without one."""
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_DIALECT: Final = sqlite_dialect()

_SHORT: Final = {"INT": "INTEGER", "BOOL": "BOOLEAN"}

_CODECS: Final = {
    Kind.NAME: Codec(Text(), exact=str),
    Kind.TEXT: Codec(Text(), exact=str),
    Kind.INTEGER: Codec(BigInteger(), exact=int),
    Kind.BOOLEAN: Codec(Boolean(), decode=bool),
    # SQLite converts NaN to NULL, so NaN is stored as a text, which sorts after all numbers.
    Kind.FLOAT: Codec(Float(), encode=lambda value: value if value == value else "NaN", decode=float),
    Kind.DECIMAL: Codec(Text(), encode=plain, decode=Decimal, generated=sortable_column, compared=sortable),
    Kind.DATETIME: Codec(Text(), encode=_sortable, decode=datetime.fromisoformat),
    Kind.DATE: Codec(Text(), encode=date.isoformat, decode=date.fromisoformat),
    Kind.UUID: Codec(Text(), encode=str, decode=uuid_of_text),
    Kind.JSON: Codec(Text()),
}
