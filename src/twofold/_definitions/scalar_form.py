"""The values by which every store compares and sorts the values of a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Final
from uuid import UUID

from pydantic import AnyUrl
from pydantic_core import Url

from .names import is_text

_PLAIN: Final = (bool, str, int, float, Decimal, datetime, date, UUID)
"""The classes whose values are compared themselves."""

_TEXTS: Final = (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface, AnyUrl, Url)
"""The classes whose values are compared by their texts."""

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ScalarForm:
    """The form in which the values of a class are compared.

    Attributes:
        kind: the class of the values that are compared: bool, str, int, float, Decimal, datetime, date or UUID.
        name: the name of the form. Values are stored differently in another form.
        encode: returns the value that is compared; None if a value is compared itself.
        decode: returns the value that was encoded; None if a value is compared itself.
    """

    kind: type[Any]
    name: str
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None

    def value_of(self, value: Any) -> Any:
        """Return the value that is compared in place of a value of the class."""
        return value if self.encode is None else self.encode(value)


@cache
def scalar_form(cls: type[Any]) -> ScalarForm | None:
    """Return how the values of a class are compared, or None if they cannot be compared.

    The members of an enum are compared by their values if all are texts or all are integers of 64 bits, else by their names.
    Times of the day are compared by the clock, durations by their microseconds, addresses and URLs by their texts.
    """
    if issubclass(cls, Enum):
        return _of_enum(cls)
    for plain in _PLAIN:
        if issubclass(cls, plain):
            return ScalarForm(plain, plain.__name__.lower())
    if issubclass(cls, time):
        return ScalarForm(str, "time", _clock, time.fromisoformat)
    if issubclass(cls, timedelta):
        return ScalarForm(int, "duration", lambda value: value // _MICROSECOND, lambda number: number * _MICROSECOND)
    if issubclass(cls, _TEXTS):
        return ScalarForm(str, "text form", str, cls)
    return None


def _of_enum(enum: type[Enum]) -> ScalarForm:
    if issubclass(enum, Flag):
        return ScalarForm(int, "enum int", _value, enum)
    kinds = {type(member.value) for member in enum}
    for kind in (str, int):
        if kinds == {kind} and all(_fits(member.value) for member in enum):
            return ScalarForm(kind, f"enum {kind.__name__}", _value, enum)
    return ScalarForm(str, "enum name", _name, enum.__getitem__)


def _fits(value: str | int) -> bool:
    """Return whether every store can keep a value: a text without NUL, or an integer of 64 bits."""
    return is_text(value) if isinstance(value, str) else -(2**63) <= value < 2**63


def _value(member: Enum) -> Any:
    return member.value


def _name(member: Enum) -> str:
    return member.name


def _clock(value: time) -> str:
    return value.isoformat(timespec="microseconds")
