"""Rows that are recognised without encoding them: each of them is accepted, and comes back as the same row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from math import inf, nan
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from twofold import RowCodec, View
from twofold._encoding.checked_rows import checked_row
from twofold._encoding.difference import difference
from twofold._encoding.plain_rows import plain_rows
from twofold._encoding.row_values import stored_forms
from twofold.errors import NotStorable


class Size(StrEnum):
    """An enum."""

    SMALL = "s"


class Parcel(View, name="plain_parcel", key="code", indexes=["label"]):
    """A view whose rows are recognised by the types of their values."""

    code: str
    label: str | None
    weight: int
    price: Decimal
    share: float
    sent: datetime | None
    size: Size


class Sole(View, name="plain_sole", key="code"):
    """A view with one field."""

    code: str


class Bounded(View, name="plain_bounded", key="code"):
    """A view with a constraint, whose rows are always encoded."""

    code: str
    weight: int = Field(ge=0)


class Choice(View, name="plain_choice", key="code"):
    """A view with a literal, whose rows are always encoded."""

    code: str
    state: Literal["open", "paid"]


GIVEN: dict[str, Any] = {
    "code": "a", "label": "x", "weight": 1, "price": Decimal("1.50"), "share": 0.0, "sent": datetime(2026, 1, 2, tzinfo=UTC),
    "size": Size.SMALL,
}  # fmt: skip

_texts = st.one_of(st.text(max_size=3), st.sampled_from(["\0", "\ud800", "é" * 381, "é" * 380, None, 1, Size.SMALL]))


@settings(max_examples=500)
@given(
    st.builds(
        Parcel.model_construct,
        code=_texts,
        label=_texts,
        weight=st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**63, -(2**63) - 1, True, None, 1.0])),
        price=st.one_of(st.decimals(), st.sampled_from([Decimal("-0"), Decimal("1E+3"), Decimal("1E-31"), 1])),
        share=st.one_of(st.floats(), st.just(1)),
        sent=st.one_of(st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.none(), st.just("2026-01-01")),
        size=st.sampled_from([Size.SMALL, "s", None]),
    )
)
def test_a_recognised_row_has_its_stored_form_and_comes_back(row: Parcel) -> None:
    """A row with values of any types, which was not validated, is recognised only if encoding would return it unchanged."""
    plain = plain_rows(Parcel)
    assert plain is not None
    if plain.has(row):
        for name, form in stored_forms(Parcel).items():
            value = getattr(row, name)
            assert value is None or form(value) is value
        codec = RowCodec(Parcel)
        assert difference(row, codec.decode(codec.encode(row))) is None


@pytest.mark.parametrize(
    ("view", "values"), [(Parcel, GIVEN), (Parcel, GIVEN | {"label": None}), (Sole, {"code": "é"})]
)
def test_a_row_of_simple_scalars_is_not_encoded(view: type[View], values: dict[str, Any]) -> None:
    """The text of such a row is left to the stores that keep texts."""
    assert checked_row(view, view(**values)).text is None


def test_a_time_in_another_zone_is_stored_in_utc() -> None:
    """A row that gets its stored form by the conversion of a value is recognised afterwards."""
    zone = timezone(timedelta(hours=2))
    row, text = checked_row(Parcel, Parcel(**GIVEN | {"sent": datetime(2026, 1, 2, 2, tzinfo=zone)}))
    assert row.sent == GIVEN["sent"]
    assert row.sent.tzinfo is UTC
    assert text is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "\0"}, {"code": "\ud800"}, {"code": "x" * 381}, {"label": "x" * 381}, {"weight": 2**63}, {"share": nan},
        {"share": inf}, {"price": Decimal("NaN")}, {"price": Decimal("1E-31")}, {"sent": datetime(2026, 1, 2)},  # noqa: DTZ001
    ],
)  # fmt: skip
def test_a_value_that_no_store_accepts_is_refused(wrong: dict[str, Any]) -> None:
    """Also after a valid row with the same types of values."""
    checked_row(Parcel, Parcel(**GIVEN))
    with pytest.raises(NotStorable, match=f"the field {next(iter(wrong))!r} is"):
        checked_row(Parcel, Parcel.model_construct(**GIVEN | wrong))


@pytest.mark.parametrize("values", [{"code": "a"}, {"kode": "a"}, {"code": "a", "more": 1}])
def test_a_row_with_other_fields_is_not_recognised(values: dict[str, Any]) -> None:
    """A row that was created without validation may lack fields, or have more."""
    row = Parcel(**GIVEN).model_copy(update=values) if "more" in values else Parcel.model_construct(**values)
    plain = plain_rows(Parcel)
    assert plain is not None
    assert not plain.has(row)


@pytest.mark.parametrize("view", [Bounded, Choice])
def test_a_view_with_constraints_is_encoded(view: type[View]) -> None:
    """The types of the values do not show whether the values are valid."""
    assert plain_rows(view) is None
