"""Encode values as bytes that sort like the values. No encoded value is a prefix of another one.

Encoded values can be concatenated: rows that are sorted by the concatenation are sorted by the first field, then by the
second, and so on. The scheme is that of FoundationDB's tuple layer, without type codes, because the fields of a view are
typed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from twofold.ports import scalar_form

Encode: TypeAlias = Callable[[Any], bytes]

END: Final = b"\x00\x01"
"""The end of a text. A zero byte inside a text is followed by 255, so that a longer text sorts later."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1
_FLIPPED: Final = bytes(255 - byte for byte in range(256))
_ZERO: Final = 0x80


def bare_text(value: str) -> bytes:
    """Encode a text without its end, for a place where nothing follows."""
    return value.encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\xff")


def text(value: str) -> bytes:
    """Encode a text; UTF-8 sorts by code points."""
    return bare_text(value) + END


def integer(value: int) -> bytes:
    """Encode an integer: its sign and the number of its bytes, then the bytes.

    Raises:
        OverflowError: the integer has more than 127 bytes.
    """
    size = (abs(value).bit_length() + 7) // 8
    if size > 127:
        raise OverflowError(f"an integer of {size} bytes is too long for an index; the limit is 127 bytes")
    if value >= 0:
        return bytes((_ZERO + size,)) + value.to_bytes(size, "big")
    return bytes((_ZERO - size,)) + (-value).to_bytes(size, "big").translate(_FLIPPED)


def real(value: float) -> bytes:
    """Encode a float: its bits, with those of negative numbers flipped."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # -0.0 + 0.0 is 0.0, which equals it
    return struct.pack(">Q", bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def decimal(value: Decimal) -> bytes:
    """Encode a decimal exactly: its sign, the exponent of its first digit, its digits. 2.5 and 2.50 are equal."""
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
    """Encode a time by its instant, in microseconds. A time without a zone counts as UTC."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return struct.pack(">Q", ((aware - _EPOCH) // _MICROSECOND) + _SIGN)


def day(value: date) -> bytes:
    """Encode a date."""
    return struct.pack(">I", value.toordinal())


def boolean(value: bool) -> bytes:
    """Encode a boolean; False sorts first."""
    return b"\x01" if value else b"\x00"


def uuid(value: UUID) -> bytes:
    """Encode a UUID; UUIDs sort by their bytes."""
    return value.bytes


_OF_CLASS: Final[Mapping[type, tuple[str, Encode]]] = {
    bool: ("boolean", boolean),
    datetime: ("datetime", instant),
    str: ("text", text),
    int: ("integer", integer),
    float: ("float", real),
    Decimal: ("decimal", decimal),
    date: ("date", day),
    UUID: ("uuid", uuid),
}
"""The encodings of values that rows are compared by, with their names. A new encoding needs a new name."""


def encoding_of(cls: type) -> tuple[str, Encode] | None:
    """Return the name of the encoding of a class and the encoding, or None if rows are not compared by its values."""
    form = scalar_form(cls)
    if form is None:
        return None
    name, encode = _OF_CLASS[form.kind]
    value_of = form.encode
    return (name, encode) if value_of is None else (form.name, lambda value: encode(value_of(value)))


def optional(encode: Encode) -> Encode:
    """Return the encoding of a value or None; None sorts first."""
    return lambda value: b"\x00" if value is None else b"\x01" + encode(value)


def after(prefix: bytes) -> bytes | None:
    """Return the first bytes after all bytes with a prefix; None if there are none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None
