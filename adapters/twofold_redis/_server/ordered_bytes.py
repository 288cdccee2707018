"""Values as bytes that sort as the values do, and of which none is the beginning of another.

Such bytes can be put one after the other: rows whose fields are encoded so, sorted by bytes, are sorted by their first
field, then by their second, and so on. It is the scheme of FoundationDB's tuple layer, without the types, since the fields
of a view have theirs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

Encode: TypeAlias = Callable[[Any], bytes]

END: Final = b"\x00\x01"
"""Behind a text. A zero byte inside of one is followed by 255, so that a longer text comes later."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
_FLIPPED: Final = bytes(255 - byte for byte in range(256))
_ZERO: Final = 0x80


def bare_text(value: str) -> bytes:
    """Encode a text without its end, for where nothing follows."""
    return value.encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\xff")


def text(value: str) -> bytes:
    """Encode a text; UTF-8 sorts by code points."""
    return bare_text(value) + END


def integer(value: int) -> bytes:
    """Encode a whole number: how many bytes it has, and whether it is below zero, then these bytes.

    Raises:
        OverflowError: it has more than 127 bytes.
    """
    size = (abs(value).bit_length() + 7) // 8
    if size > 127:
        raise OverflowError(f"a number of {size} bytes is too long for an index; 127 are possible")
    if value >= 0:
        return bytes((_ZERO + size,)) + value.to_bytes(size, "big")
    return bytes((_ZERO - size,)) + (-value).to_bytes(size, "big").translate(_FLIPPED)


def real(value: float) -> bytes:
    """Encode a float: its bits, those of negative ones flipped."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # -0.0 + 0.0 is 0.0, which equals it
    return struct.pack(">Q", bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def decimal(value: Decimal) -> bytes:
    """Encode a decimal exactly: its sign, the place of its first digit, its digits; 2.5 and 2.50 are the same."""
    if value.is_nan():
        return b"\xff"
    if value.is_infinite():
        return b"\x01" if value < 0 else b"\xfe"
    if not value:
        return b"\x80"
    digits = "".join(map(str, value.as_tuple().digits)).lstrip("0").rstrip("0")
    size = b"\xc0" + integer(value.adjusted()) + digits.encode() + b"\x00"
    return size.translate(_FLIPPED) if value < 0 else size


def instant(value: datetime) -> bytes:
    """Encode a time by its instant, to the microsecond; one without a zone counts as UTC."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return struct.pack(">Q", ((aware - _EPOCH) // _MICROSECOND) + _SIGN)


def day(value: date) -> bytes:
    """Encode a date."""
    return struct.pack(">I", value.toordinal())


def boolean(value: bool) -> bytes:
    """Encode a truth; no comes before yes."""
    return b"\x01" if value else b"\x00"


def uuid(value: UUID) -> bytes:
    """Encode a UUID; they are sorted by their bytes."""
    return value.bytes


SCALARS: Final[tuple[tuple[type, str, Encode], ...]] = (
    (bool, "boolean", boolean),  # before int, which it is too
    (datetime, "datetime", instant),  # before date, which it is too
    (str, "text", text),
    (int, "integer", integer),
    (float, "float", real),
    (Decimal, "decimal", decimal),
    (date, "date", day),
    (UUID, "uuid", uuid),
)
"""The types that fields are compared by, each with the name of its encoding. A change of one needs another name."""

_OF_CLASS: Final[Mapping[type, Encode]] = {scalar: encode for scalar, _, encode in SCALARS}


def enumerated(enum: type[Enum]) -> tuple[str, Encode]:
    """Return how the members of an enum are encoded: by their values when these are all texts or all numbers."""
    kinds = {type(member.value) for member in enum}
    if kinds in ({str}, {int}):
        (kind,) = kinds
        encode = _OF_CLASS[kind]
        return kind.__name__, lambda member: encode(member.value)
    return "name", lambda member: text(member.name)


def optional(encode: Encode) -> Encode:
    """Return how a value, or None before all values, is encoded."""
    return lambda value: b"\x00" if value is None else b"\x01" + encode(value)


def after(prefix: bytes) -> bytes | None:
    """Return the first bytes behind all that begin with a prefix; None when nothing is behind them."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None
