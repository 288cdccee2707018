"""The form in which the scalar fields of a row are stored, the same in every store.

A field of a scalar type is a column in some stores and a part of a JSON text in others. A value is therefore reduced to the
form that all of them keep: times in UTC, decimals without an exponent, zeros without a sign. Values that a store cannot
keep are refused for all stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from math import copysign, isfinite
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from .._definitions.scalar_form import scalar_form
from .._definitions.view import View, field_type

Normalise: TypeAlias = Callable[[Any], Any]
"""Returns the stored form of a value, or raises ValueError with the reason."""

LONGEST_KEY: Final = 380
"""The maximal number of characters of a text that is a key, or part of an index."""

_MICROSECOND: Final = timedelta(microseconds=1)

_WHOLE, _FRACTION = 35, 30
"""The maximal numbers of digits of a decimal before and after the decimal point."""


@cache
def stored_forms(view: type[View]) -> Mapping[str, Normalise]:
    """Return the function that normalises each scalar field of a view that needs one."""
    indexed = indexed_fields(view)
    forms: dict[str, Normalise] = {}
    for name in view.model_fields:
        cls = field_type(view, name).plain
        if isinstance(cls, type):
            own = next((form for kind, form in _FORMS.items() if issubclass(cls, kind)), None)
            scalar = scalar_form(cls)
            if scalar is not None and scalar.kind is str and name in indexed:
                own = _indexed(scalar.value_of, own or _same)
            if own is not None:
                forms[name] = own
    return MappingProxyType(forms)


def indexed_fields(view: type[View]) -> frozenset[str]:
    """Return the key of a view and the fields of its indexes, whose texts have a maximal length."""
    return frozenset({view.view_key, *(field for index in view.view_indexes for field in index)})


def _same(value: Any) -> Any:
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise ValueError("it has no time zone, and times are stored in UTC. Add a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is outside of the years 1 to 9999. Use a time inside of them") from None


def _decimal(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError("it is not finite. Store None instead")  # noqa: TRY004 -- the value is wrong, not its class
    if exponent < -_FRACTION or value.adjusted() >= _WHOLE or exponent >= _WHOLE:
        raise ValueError(
            f"the limits are {_WHOLE} digits before the decimal point and {_FRACTION} after it. Round it, or store a str"
        )
    if exponent > 0:
        value = Decimal(format(value, "f"))
    return value.copy_abs() if value.is_signed() and not value else value


def _float(value: float) -> float:
    if not isfinite(value):
        raise ValueError("it is not finite. Store None instead")
    return value if value or copysign(1.0, value) > 0 else 0.0


def _integer(value: int) -> int:
    if -(2**63) <= value < 2**63:
        return value
    raise ValueError("it exceeds 64 bits. Store a str or a Decimal")


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("it contains a NUL character, which some databases cannot store. Remove the character")
    return value


def _indexed(text_of: Normalise, form: Normalise) -> Normalise:
    def normalise(value: Any) -> Any:
        length = len(text_of(value))
        if length > LONGEST_KEY:
            raise ValueError(f"it has {length} characters; the limit of keys and indexes is {LONGEST_KEY}. Shorten it")
        return form(value)

    return normalise


def _clock(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("it has a time zone, without which a time of the day has no order. Store a datetime")
    return value


def _duration(value: timedelta) -> timedelta:
    if not -(2**63) <= value // _MICROSECOND < 2**63:
        raise ValueError("it has more than 64 bits of microseconds. Store a number of days")
    return value


_FORMS: Final[Mapping[type, Normalise]] = {
    bool: _same,  # before its base class int
    datetime: _utc,
    str: _text,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    time: _clock,
    timedelta: _duration,
}
