"""The stored form of values on MariaDB and MySQL: texts by code points, decimals and times exactly."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Computed, Date, Double, Index, String, Text, text
from sqlalchemy.dialects.mysql import BINARY, DATETIME, DECIMAL, VARCHAR
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from twofold.errors import StorageError

from ..codec import Codec, Kind
from ..decimals import FRACTION, WHOLE, check_decimal
from ..uuids import uuid_of

LONGEST_NAME: Final = 380
"""The maximal number of characters in a key. Two keys fit into one index: 3,072 bytes, up to four for each character."""

EXACT: Final = {True: "utf8mb4_nopad_bin", False: "utf8mb4_0900_bin"}
"""The collations that compare every character, trailing spaces included. True: MariaDB's; False: MySQL's."""

_INDEX_BYTES: Final = 3072

_NUMBER = DECIMAL(WHOLE + FRACTION, FRACTION)

_WIDTH = re.compile(r"^(BIGINT|INTEGER)\(\d+\)")


_CORRELATION_ID: Final = "correlation_id"

_CORRELATION: Final = """CONVERT(CASE WHEN LEFT(metadata, 19) = '{"correlation_id":"' THEN SUBSTR(metadata, 20, 36)
WHEN JSON_VALID(metadata) THEN LEFT(JSON_UNQUOTE(JSON_EXTRACT(metadata, '$.correlation_id')), 64) END USING ascii)"""
"""The correlation id. The first case is the form in which Twofold writes metadata, and needs no parser."""


class MySQLColumns:
    """The `Columns` of MariaDB and MySQL."""

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind of value is stored; see `_CODECS`."""
        return _CODECS[kind]

    def counter(self, name: str) -> Column[Any]:
        """Return an AUTO_INCREMENT column."""
        return Column(name, BigInteger(), primary_key=True, autoincrement=True)

    def position(self, name: str) -> Column[Any]:
        """Return a plain number: `twofold_meta` counts positions, so that they have no gaps."""
        return Column(name, BigInteger(), primary_key=True, autoincrement=False)

    def correlation_index(self, name: str) -> Sequence[SchemaItem]:
        """Return a generated column, which takes no room in the table, and its index: MariaDB indexes no expressions."""
        longest = VARCHAR(64, charset="ascii", collation="ascii_bin")
        column = Column(_CORRELATION_ID, longest, Computed(_CORRELATION, persisted=False))
        return [column, Index(name, _CORRELATION_ID)]

    def correlation(self, metadata: Column[Any]) -> ColumnElement[Any]:
        """Return the generated column."""
        return metadata.table.c[_CORRELATION_ID]

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return the counter of positions."""
        return [Column("head", BigInteger(), nullable=False, server_default=text("0"))]

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Use InnoDB, whatever the server's default is. The row format DYNAMIC allows indexes of 3,072 bytes."""
        options = {"engine": "InnoDB", "row_format": "DYNAMIC", "default_charset": "utf8mb4"}
        return {f"{name}_{option}": value for name in ("mysql", "mariadb") for option, value in options.items()}

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Index only the beginnings of texts if the whole texts exceed the size of an index."""
        texts = [column.name for column in columns if isinstance(column.type, ExactName)]
        room = _INDEX_BYTES - 40 * len(columns)  # other columns take less than 40 bytes each
        if not texts or len(texts) * 4 * LONGEST_NAME <= room:
            return {}
        lengths = dict.fromkeys(texts, room // 4 // len(texts))
        return {"mysql_length": lengths, "mariadb_length": lengths}

    def same_type(self, found: str, wanted: TypeEngine[Any]) -> bool:
        """Compare the types' SQL without the width of integers that MariaDB reports."""
        _, _, collation = found.partition(" COLLATE ")
        if isinstance(wanted, (ExactName, ExactText)) and collation not in ("", *EXACT.values()):
            return False
        return _called(found) == _called(wanted.compile(_DIALECT))


class ExactName(String):
    """A text that can be part of a key or an index."""


class ExactText(Text):
    """A text of any length."""


@compiles(ExactName, "mysql", "mariadb")
def _name(element: ExactName, compiler: Any, **options: Any) -> str:
    return f"VARCHAR({LONGEST_NAME}) {_exactly(compiler)}"


@compiles(ExactText, "mysql", "mariadb")
def _text(element: ExactText, compiler: Any, **options: Any) -> str:
    return f"LONGTEXT {_exactly(compiler)}"


def _exactly(compiler: Any) -> str:
    """Return the collation. It is chosen when the SQL is compiled, because the server's product is known then."""
    dialect = compiler.dialect
    return f"CHARACTER SET utf8mb4 COLLATE {EXACT[bool(dialect.is_mariadb or dialect.name == 'mariadb')]}"


def number_of(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the number that is compared in place of a decimal: the generated column, or a bound value as a number."""
    if isinstance(column, Column):
        return column.table.c[_number_name(column.name)]
    return column.cast(_NUMBER)


def _called(sql: str) -> str:
    name = sql.partition(" CHARACTER SET")[0].partition(" COLLATE")[0]
    return "TINYINT(1)" if name == "BOOL" else _WIDTH.sub(r"\1", name)


def _number_name(name: str) -> str:
    return f"_{name}_number"


def _number(name: str) -> Column[Any]:
    """Return the generated column by which a decimal is compared."""
    digits = f"{WHOLE + FRACTION}, {FRACTION}"
    return Column(_number_name(name), _NUMBER, Computed(f"CAST(`{name}` AS DECIMAL({digits}))", persisted=False))


def _decimal(value: Decimal) -> str:
    check_decimal(value)
    return str(value)


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise StorageError(
            f"cannot store {value}: MariaDB and MySQL have neither NaN nor infinity. Store None instead."
        )
    return value


def _to_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise StorageError(
            f"cannot store {value.isoformat()}: it has no time zone, and times are stored in UTC. Add a time zone."
        )
    return value.astimezone(UTC).replace(tzinfo=None)


def _from_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _bytes(value: UUID) -> bytes:
    return value.bytes


def _uuid(value: bytes) -> UUID:
    return uuid_of(int.from_bytes(value, "big"))


_DIALECT: Final = mysql_dialect()

_CODECS: Final = {
    Kind.NAME: Codec(ExactName(LONGEST_NAME), exact=str),
    Kind.TEXT: Codec(ExactText(), exact=str),
    Kind.INTEGER: Codec(BigInteger(), exact=int),
    Kind.BOOLEAN: Codec(Boolean(), decode=bool),
    Kind.FLOAT: Codec(Double(), encode=_float, exact=float),
    # The text keeps trailing zeros: 2.50 is not 2.5. A number that the database generates from the text is compared.
    Kind.DECIMAL: Codec(VARCHAR(100, charset="ascii", collation="ascii_bin"), _decimal, Decimal, generated=_number),
    Kind.DATETIME: Codec(DATETIME(fsp=6), encode=_to_utc, decode=_from_utc),
    Kind.DATE: Codec(Date(), exact=date),
    Kind.UUID: Codec(BINARY(16), encode=_bytes, decode=_uuid),
    Kind.JSON: Codec(ExactText()),
}
