"""Scalars that come back equal from JSON: the types of which all values do, and the checks of the values of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from types import NoneType
from typing import Any, Final, TypeAlias
from uuid import UUID

Check: TypeAlias = Callable[[Any], bool]
"""Returns whether a value is known to come back equal."""

_LARGE: Final = 10**300
"""Larger integers are compared: JSON has a limit of 4,300 digits."""


BY_TYPE: Final[Mapping[str, type[Any]]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "decimal": Decimal,
    "uuid": UUID,
    "date": date,
    "none": NoneType,
}
"""The types of which all values come back from a short text with finite numbers."""


ROW_SCALARS: Final[Mapping[str, type[Any]]] = {**BY_TYPE, "float": float, "datetime": datetime}
"""The types of which all values come back if they are in the stored form of rows: finite, and in UTC."""


FINITE: Final = frozenset({str, int, bool, UUID, date, NoneType})
"""The types of which no value is a number that is not finite."""


def is_str(value: Any) -> bool:
    """Return whether a value is a text."""
    return type(value) is str


def _is_int(value: Any) -> bool:
    return type(value) is int and -_LARGE < value < _LARGE


def _is_float(value: Any) -> bool:
    return type(value) is float and isfinite(value)


def _is_decimal(value: Any) -> bool:
    return type(value) is Decimal and value.is_finite()


def _is_datetime(value: Any) -> bool:
    if type(value) is not datetime:
        return False
    if value.tzinfo is UTC:
        return True
    offset = value.utcoffset()
    if offset is None:
        return value.tzinfo is None and not value.fold
    return not offset.seconds % 60 and not offset.microseconds


EXACT: Final[Mapping[str, Check]] = {
    "str": is_str,
    "int": _is_int,
    "bool": lambda value: type(value) is bool,
    "float": _is_float,
    "decimal": _is_decimal,
    "uuid": lambda value: type(value) is UUID,
    "date": lambda value: type(value) is date,
    "datetime": _is_datetime,
    "none": lambda value: type(value) is NoneType,
}
"""The checks of scalars, by their kinds in the schema."""
