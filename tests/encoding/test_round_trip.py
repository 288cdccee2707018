"""Values that are stored or sent: encoded as JSON, decoded again, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from twofold._encoding.round_trip import Changed, RoundTrip


class Inner(BaseModel):
    """A part of another model."""

    number: int = Field(alias="theNumber")


class Outer(BaseModel):
    """A model with a part, and with a field that JSON leaves out."""

    inner: Inner
    hidden: int = Field(default=1, exclude=True)


@dataclass
class Point:
    """A value without a configuration of its own."""

    x: float
    y: float


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.floats(allow_nan=False),
    st.binary(),
    st.uuids(),
    st.datetimes(),
)


@settings(deadline=None)  # pydantic builds the encoder
@given(value=json_values)
def test_a_plain_value_comes_back(value: Any) -> None:
    """Whatever pydantic can annotate comes back as an equal value."""
    round_trip: RoundTrip[Any] = RoundTrip(type(value))
    assert round_trip.decode(round_trip.encode_equal(value)) == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (float, inf),
        (bytes, b"\xff\x00"),
        (Decimal, Decimal("9.90")),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
        (list[Point], [Point(1.0, inf)]),
        (dict[str, bytes | None], {"a": b"\xfe", "b": None}),
    ],
)
def test_what_json_has_no_word_for_comes_back(annotation: Any, value: object) -> None:
    """Infinity, bytes, decimals and times come back as they were."""
    round_trip: RoundTrip[Any] = RoundTrip(annotation)
    assert round_trip.decode(round_trip.encode(value)) == value


def test_nan_comes_back_unequal() -> None:
    """NaN comes back as NaN, which is not equal to itself."""
    round_trip: RoundTrip[float] = RoundTrip(float)
    assert isnan(round_trip.decode(round_trip.encode(nan)))
    with pytest.raises(Changed):
        round_trip.encode_equal(nan)


def test_fields_have_their_own_names() -> None:
    """An alias is for the outside: fields are written and read under their own names."""
    round_trip: RoundTrip[Inner] = RoundTrip(Inner)
    assert round_trip.encode(Inner(theNumber=7)) == '{"number":7}'
    assert round_trip.decode('{"number":7}').number == 7
    with pytest.raises(ValidationError):
        round_trip.decode('{"theNumber":7}')


def test_aliases_are_read_where_other_applications_write() -> None:
    """With `read_aliases` a field is also read under its alias."""
    round_trip: RoundTrip[Inner] = RoundTrip(Inner, read_aliases=True)
    assert [round_trip.decode(text).number for text in ('{"number":7}', '{"theNumber":7}')] == [7, 7]


def test_a_changed_value_is_refused() -> None:
    """A value that would come back as another value is refused with that value."""
    round_trip: RoundTrip[Outer] = RoundTrip(Outer)
    with pytest.raises(Changed, match="it would come back as Outer") as refused:
        round_trip.encode_equal(Outer(inner=Inner(theNumber=1), hidden=2))
    assert refused.value.again == Outer(inner=Inner(theNumber=1), hidden=1)


def test_a_part_without_validation_is_decoded_first() -> None:
    """A part that pydantic does not recognise is decoded before its text is trusted."""
    round_trip: RoundTrip[Outer] = RoundTrip(Outer)
    assert round_trip.encode_valid(Outer.model_construct(inner={"number": "7"})) == '{"inner":{"number":7}}'
    with pytest.raises(ValidationError):
        round_trip.encode_valid(Outer.model_construct(inner={"number": "x"}))


def test_a_value_without_json_is_an_error() -> None:
    """A value that has no JSON is a `ValueError`, whatever its annotation is."""
    round_trip: RoundTrip[Any] = RoundTrip(object)
    with pytest.raises(ValueError, match="Unable to serialize"):
        round_trip.encode(object())
