"""One form for values that are equal, whatever their types are and however they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

_MOST_ZEROS: Final = 300
"""The largest exponent of an integer that is written with all its digits."""


def plain(value: Any) -> Any:
    """Return a value in the form that all equal values have.

    True is 1, 1.50 is 1.5, a time is in UTC, a member of an enum is its value.
    """
    match value:
        case Enum():
            return plain(value.value)
        case bool():
            return int(value)
        case float():
            return _shortest(Decimal(repr(value)))
        case Decimal():
            return _shortest(value)
        case datetime() if value.tzinfo is not None:
            return _in_utc(value)
    return value


def _shortest(value: Decimal) -> int | Decimal | str:
    """Return a number without trailing zeros. Integers of a usual size are integers."""
    if not value.is_finite():
        return str(value)
    sign, digits, exponent = value.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    if not kept.strip("0"):
        return 0
    power = int(exponent) + len(digits) - len(kept)
    short = Decimal((sign, tuple(map(int, kept)), power))
    return int(short) if 0 <= power <= _MOST_ZEROS else short


def _in_utc(value: datetime) -> datetime:
    """Return a time in UTC. Return a time outside of the years 1 to 9999 in UTC unchanged."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value
