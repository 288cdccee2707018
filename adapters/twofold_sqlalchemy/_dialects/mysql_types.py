"""How MariaDB and MySQL keep values: texts by their code points, decimals and times exactly."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Computed, Date, Double, String, Text
from sqlalchemy.dialects.mysql import BINARY, DATETIME, DECIMAL, VARCHAR
from sqlalchemy.dialects.mysql import dialect as mysql_dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from twofold.errors import StorageError

from .fields import Codec, Kind

LONGEST_NAME: Final = 380
"""Characters of a key. Two such texts fit into one index, which takes 3,072 bytes; a character takes up to four."""

EXACT: Final = {True: "utf8mb4_nopad_bin", False: "utf8mb4_0900_bin"}
"""The collations that tell every two texts apart, trailing spaces included: of MariaDB, and of MySQL."""

_WHOLE, _FRACTION = 35, 30
"""Digits before and behind the point of the widest DECIMAL."""

_NUMBER = DECIMAL(_WHOLE + _FRACTION, _FRACTION)

_WIDTH = re.compile(r"^(BIGINT|INTEGER)\(\d+\)")


class ExactName(String):
    """A text that can be a key."""


class ExactText(Text):
    """A text of any length."""


@compiles(ExactName, "mysql", "mariadb")
def _name(element: ExactName, compiler: Any, **options: Any) -> str:
    return f"VARCHAR({LONGEST_NAME}) {_exactly(compiler)}"


@compiles(ExactText, "mysql", "mariadb")
def _text(element: ExactText, compiler: Any, **options: Any) -> str:
    return f"LONGTEXT {_exactly(compiler)}"


def _exactly(compiler: Any) -> str:
    """Choose when the SQL is written: the server is known then."""
    dialect = compiler.dialect
    return f"CHARACTER SET utf8mb4 COLLATE {EXACT[bool(dialect.is_mariadb or dialect.name == 'mariadb')]}"


def number_of(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what stands for a decimal in comparisons: the column that the database computes, or a value's own number."""
    if isinstance(column, Column):
        return column.table.c[_number_name(column.name)]
    return column.cast(_NUMBER)


def same_type(found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
    """Return whether a reflected column type is the one that was asked for."""
    collation = getattr(found, "collation", None)
    if isinstance(wanted, (ExactName, ExactText)) and collation not in (None, *EXACT.values()):
        return False
    return _called(found) == _called(wanted)


def _called(kind: TypeEngine[Any]) -> str:
    name = kind.compile(mysql_dialect()).partition(" CHARACTER SET")[0].partition(" COLLATE")[0]
    return "TINYINT(1)" if name == "BOOL" else _WIDTH.sub(r"\1", name)


def _number_name(name: str) -> str:
    return f"_{name}_number"


def _number(name: str) -> Column[Any]:
    """Make the column by which a decimal is compared."""
    digits = f"{_WHOLE + _FRACTION}, {_FRACTION}"
    return Column(_number_name(name), _NUMBER, Computed(f"CAST(`{name}` AS DECIMAL({digits}))", persisted=False))


def _decimal(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_FRACTION or value.adjusted() >= _WHOLE:
        raise StorageError(
            f"cannot store the decimal {value}: MariaDB and MySQL compare up to {_WHOLE} digits before the point and "
            f"{_FRACTION} behind it. Round it, or keep it as a str."
        )
    return str(value)


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise StorageError(f"cannot store {value}: MariaDB and MySQL know neither NaN nor infinity. Use None for it.")
    return value


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise StorageError(
            f"cannot store {value.isoformat()}: it has no time zone, and moments are kept in UTC. Give it one, such as UTC."
        )
    return value.astimezone(UTC).replace(tzinfo=None)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _bytes(value: UUID) -> bytes:
    return value.bytes


def _uuid(value: bytes) -> UUID:
    return UUID(bytes=value)


CODECS: Final = {
    Kind.NAME: Codec(ExactName(LONGEST_NAME), plain=str),
    Kind.TEXT: Codec(ExactText(), plain=str),
    Kind.INTEGER: Codec(BigInteger(), plain=int),
    Kind.BOOLEAN: Codec(Boolean(), decode=bool),
    Kind.FLOAT: Codec(Double(), encode=_float, plain=float),
    # The text keeps the exponent, 2.50 is not 2.5; a number beside it, computed by the database, is compared.
    Kind.DECIMAL: Codec(VARCHAR(100, charset="ascii", collation="ascii_bin"), _decimal, Decimal, beside=_number),
    Kind.DATETIME: Codec(DATETIME(fsp=6), encode=_moment, decode=_utc),
    Kind.DATE: Codec(Date(), plain=date),
    Kind.UUID: Codec(BINARY(16), encode=_bytes, decode=_uuid),
    Kind.JSON: Codec(ExactText()),
}
"""How each kind is kept."""
