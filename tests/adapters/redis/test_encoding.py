"""Encoded bytes sort in the order of the values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold_redis._server import ordered_bytes as encoding

ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
TIMES = st.datetimes(timezones=ZONES)

KINDS: dict[str, tuple[Callable[[Any], bytes], st.SearchStrategy[Any]]] = {
    "text": (encoding.text, st.text(max_size=6) | st.text("\x00\x01a\xff", max_size=4)),
    "integer": (encoding.integer, st.integers() | st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)),
    "float": (encoding.real, st.floats(allow_nan=False)),
    "decimal": (encoding.decimal, st.decimals(allow_nan=False) | st.decimals(-10, 10, places=2)),
    "datetime": (encoding.instant, TIMES),
    "date": (encoding.day, st.dates()),
    "boolean": (encoding.boolean, st.booleans()),
    "uuid": (encoding.uuid, st.uuids()),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_bytes_sort_as_values_do(kind: str, data: st.DataObject) -> None:
    """The encoded bytes sort like the values. Equal values have equal bytes, and no encoding is a prefix of another."""
    encode, values = KINDS[kind]
    one, other = data.draw(values), data.draw(values)
    assert (encode(one) < encode(other)) == (one < other)
    assert (encode(one) == encode(other)) == (one == other)
    assert one == other or not encode(one).startswith(encode(other))


@given(data=st.data())
def test_fields_sort_one_after_the_other(data: st.DataObject) -> None:
    """Rows are sorted by the first field that differs, whatever their later fields."""
    fields = data.draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=4))
    one, other = (tuple(data.draw(KINDS[kind][1]) for kind in fields) for _ in range(2))
    encoded = [b"".join(KINDS[kind][0](value) for kind, value in zip(fields, row, strict=True)) for row in (one, other)]
    assert (encoded[0] < encoded[1]) == (one < other)


@given(st.text(max_size=6), st.text(max_size=6))
def test_bare_texts_sort_too(one: str, other: str) -> None:
    """Keys, which are the last part of an entry, are encoded without a terminator."""
    assert (encoding.bare_text(one) < encoding.bare_text(other)) == (one < other)


@given(st.binary(max_size=4), st.binary(max_size=6))
def test_keys_after_a_prefix(prefix: bytes, other: bytes) -> None:
    """Bytes lie between a prefix and its end exactly if they begin with the prefix."""
    end = encoding.after(prefix)
    assert other.startswith(prefix) == (prefix <= other and (end is None or other < end))


def test_equal_values_have_equal_bytes() -> None:
    """Values that are equal in Python are equal in an index."""
    noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
    assert encoding.real(0.0) == encoding.real(-0.0)
    assert encoding.decimal(Decimal("2.50")) == encoding.decimal(Decimal("2.5"))
    assert encoding.decimal(Decimal(100)) == encoding.decimal(Decimal("1E+2"))
    assert encoding.decimal(Decimal("-0")) == encoding.decimal(Decimal(0))
    assert encoding.instant(noon) == encoding.instant(noon.astimezone(timezone(timedelta(hours=14))))
    assert len(encoding.uuid(UUID(int=1))) == 16
    assert encoding.day(date(1, 1, 1)) < encoding.day(date(9999, 12, 31))


def test_a_number_that_is_too_long() -> None:
    """A number of more than 127 bytes is refused, and not cut off."""
    with pytest.raises(OverflowError, match="127"):
        encoding.integer(2**1024)
