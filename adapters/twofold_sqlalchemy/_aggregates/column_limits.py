"""Refuse values that a column of a user's table would cut, round or convert. Every database gets the same answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from struct import pack, unpack
from typing import Any, Final

from sqlalchemy import (
    BINARY,
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Time,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from twofold.errors import NotStorable
from twofold.ports import shown

from .column_types import ExactDecimal

_FLOATING: Final = 15
"""The significant digits of a decimal that a database stores as a floating point number."""

_SINGLE: Final = 24
"""The bits of a floating point number of single precision."""

_LARGEST: Final = 8_000_000


def check_values(name: str, columns: Any, values: Mapping[str, Any], dialect: Dialect) -> None:
    """Check the values of a row.

    Args:
        name: the name of the aggregate, for the error.
        columns: a mapping of the names in `values` to columns.
        values: the values.
        dialect: the dialect of the database.

    Raises:
        NotStorable: a column would change a value. The text names the column and the value.
    """
    for key, value in values.items():
        column: Column[Any] | None = columns.get(key)
        if column is None or value is None or hasattr(value, "__clause_element__"):
            continue
        try:
            found = _fault(column.type, value, dialect)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            found = str(error)
        if found:
            raise NotStorable(
                f"cannot store {name}: the field {column.table.name}.{column.name} is {shown(value)}: {found}. Use a value "
                f"that fits {column.type!r}, or change the column."
            )


def _fault(kind: TypeEngine[Any], value: Any, dialect: Dialect) -> str | None:
    while isinstance(kind, TypeDecorator):
        if isinstance(kind, Interval):
            return _interval(kind, value, dialect)
        if type(kind).process_bind_param is not TypeDecorator.process_bind_param:
            value = kind.process_bind_param(value, dialect)
        elif type(kind).bind_processor is not TypeDecorator.bind_processor:
            return None  # the type converts its values in a way of its own, such as PickleType
        kind = kind.impl_instance if isinstance(kind, ExactDecimal) else kind.load_dialect_impl(dialect)
    kind = kind.dialect_impl(dialect)
    for base, check in _CHECKS:
        if isinstance(kind, base):
            return check(kind, value, dialect)
    return None


def _text(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if isinstance(value, Enum) and not isinstance(value, str):
        return None  # the type converts its members
    if not isinstance(value, str):
        return "it is not a str"
    if "\0" in value:
        return "it contains a NUL character"
    value.encode()
    if kind.length is not None and len(value) > kind.length:
        return f"it has {len(value)} characters, and the column has {kind.length}"
    return "it is larger than 8,000,000 characters" if len(value) > _LARGEST else None


def _char(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if found := _text(kind, value, dialect):
        return found
    if dialect.name == "postgresql" and len(value) < (kind.length or 1):
        return "the column fills it up with spaces. Use String"
    if _is_mysql(dialect) and value.endswith(" "):
        return "the column removes spaces at the end. Use String"
    return None


def _integer(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if not isinstance(value, int):
        return "it is not an int"
    bits = 16 if isinstance(kind, SmallInteger) else 64 if isinstance(kind, BigInteger) else 32
    limit = 1 << (bits - 1)
    return None if -limit <= value < limit else f"it exceeds {bits} bits"


def _decimal(kind: Any, value: Any, dialect: Dialect) -> str | None:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return "it is not finite"
    _, digits, exponent = number.normalize().as_tuple() if number else Decimal(0).as_tuple()
    scale = max(-int(exponent), 0)
    if kind.scale is not None and scale > kind.scale:
        return f"it has {scale} decimal places, and the column has {kind.scale}"
    whole = max(len(digits) + int(exponent), 0)
    if kind.precision is not None and whole > kind.precision - (kind.scale or 0):
        return (
            f"it has {whole} digits before the decimal point, and the column has {kind.precision - (kind.scale or 0)}"
        )
    if dialect.name == "sqlite" and len(digits) > _FLOATING and not isinstance(value, str):
        return f"SQLite keeps {_FLOATING} digits of a NUMERIC. Use ExactDecimal"
    return None


def _float(kind: Any, value: Any, dialect: Dialect) -> str | None:
    number = float(value)
    if not isfinite(number):
        return "it is not finite"
    if number != value and Decimal(repr(number)) != value:
        return "a floating point number does not keep its digits"
    if dialect.name == "postgresql" and (isinstance(kind, REAL) or (kind.precision or 53) <= _SINGLE):
        kept: float = unpack("f", pack("f", number))[0]
    elif _is_mysql(dialect) and not isinstance(kind, Double) and (kind.precision or 0) <= _SINGLE:
        kept = float(f"{number:.6g}")  # the server shows six digits of a FLOAT
        pack("f", number)
    else:
        return None
    return None if kept == number else "the column keeps fewer digits. Use Double"


def _date(kind: Any, value: Any, dialect: Dialect) -> str | None:
    return None if isinstance(value, date) and not isinstance(value, datetime) else "it is not a date"


def _datetime(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if not isinstance(value, datetime):
        return "it is not a datetime"
    zoned = kind.timezone and dialect.name == "postgresql"
    if value.tzinfo is not None and not zoned:
        return "the column does not keep its time zone. Use UtcDateTime"
    if value.tzinfo is None and zoned:
        return "it has no time zone"
    if value.tzinfo is None and value.fold:
        return "the column does not keep its fold"
    return _fraction(value, kind, dialect)


def _time(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if not isinstance(value, time):
        return "it is not a time"
    if value.tzinfo is not None and not (kind.timezone and dialect.name == "postgresql"):
        return "the column does not keep its time zone"
    return _fraction(value, kind, dialect)


def _interval(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if not isinstance(value, timedelta):
        return "it is not a timedelta"
    if dialect.name == "postgresql":
        return None
    return _fraction(datetime(1970, 1, 1) + value, kind, dialect)  # noqa: DTZ001 -- SQLAlchemy stores this time


def _fraction(value: Any, kind: Any, dialect: Dialect) -> str | None:
    if value.microsecond and _is_mysql(dialect) and not getattr(kind, "fsp", None):
        return "the column does not keep fractions of a second. Use UtcDateTime"
    return None


def _is_mysql(dialect: Dialect) -> bool:
    return dialect.name in ("mysql", "mariadb")


def _bytes(kind: Any, value: Any, dialect: Dialect) -> str | None:
    if kind.length is not None and len(value) > kind.length:
        return f"it has {len(value)} bytes, and the column has {kind.length}"
    if isinstance(kind, BINARY) and _is_mysql(dialect) and len(value) < (kind.length or 1):
        return "the column fills it up with zeros. Use LargeBinary"
    return None


def _json(kind: Any, value: Any, dialect: Dialect) -> str | None:
    text = json.dumps(value, allow_nan=False)
    return None if json.loads(text) == value else "it would come back from JSON changed"


Check = Callable[[Any, Any, Dialect], "str | None"]

_CHECKS: Final[tuple[tuple[type[Any], Check], ...]] = (
    (CHAR, _char),  # before String, its base class
    (String, _text),
    (Integer, _integer),
    (Float, _float),
    (Numeric, _decimal),
    (DateTime, _datetime),
    (Date, _date),
    (Time, _time),
    (LargeBinary, _bytes),
    (BINARY, _bytes),
    (JSON, _json),
)
"""The checks for types of columns. Other types refuse values that they cannot store, or store them unchanged."""
