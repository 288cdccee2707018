"""A cursor comes back as the place that it was made of, or is refused."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.hostile import SAMPLES, Numbers, Texts, rows_of
from twofold import Keyset, View
from twofold._reading.cursors import LONGEST_CURSOR, cursor, decode_cursor
from twofold._reading.find import selection
from twofold.errors import InvalidFind
from twofold.ports import Ordering

VALUE, KEY = Ordering("value"), Ordering("id")
DOWN = Ordering("value", descending=True)
ROW = Numbers(id=7, value=5, maybe=None)
CURSOR = cursor(ROW, (VALUE, KEY))


@pytest.mark.parametrize("view", SAMPLES, ids=lambda view: view.__name__)
def test_a_cursor_continues_after_its_row(view: type[View]) -> None:
    """A cursor is decoded to the values of its row, for fields of every type."""
    for row in rows_of(view):
        values: tuple[Any, ...] = (getattr(row, "value"), row.key)  # noqa: B009  # a field of each of these views
        assert decode_cursor(view, (VALUE, KEY), cursor(row, (VALUE, KEY))) == values


@pytest.mark.parametrize(
    ("view", "order"), [(Numbers, (DOWN, KEY)), (Numbers, (KEY,)), (Texts, (VALUE, KEY)), (Numbers, (KEY, VALUE))]
)
def test_a_cursor_belongs_to_its_view_and_its_order(view: type[View], order: tuple[Ordering, ...]) -> None:
    """Another view whose fields have the same names does not take it."""
    with pytest.raises(InvalidFind):
        decode_cursor(view, order, CURSOR)


def encoded(text: str) -> str:
    """Return a text as a cursor would contain it."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


FIRST = "hostile_numbers:value,id"

NO_CURSORS = (
    *("", "=", ".", "é", "\0", "\ud800", " ", CURSOR[:-1], CURSOR + "A", CURSOR + "=", CURSOR + "\n", " " + CURSOR),
    *("A" * 200_000, CURSOR * 4_000, encoded("[" * 40_000), encoded("1" * 40_000)),
    *map(encoded, ("{}", "5", "null", "[]", '["hostile_numbers:value,id"]', '["hostile_numbers:value,id",[5]]')),
    *map(encoded, ('["hostile_numbers:value,id", [5,7]]', '["hostile_numbers:value,id",[5,7],1]')),
    *map(
        encoded,
        (f'["{FIRST}",[{each},7]]' for each in ('"5"', "5.0", "null", "true", "NaN", "1e999")),
    ),
    *map(encoded, (f'["{FIRST}",[5,{each}]]' for each in (2**63, "1" * 5_000, '"a"', "[]", "{}"))),
)
"""Texts that look more or less like a cursor of numbers."""


@pytest.mark.parametrize("text", NO_CURSORS, ids=map(str, range(len(NO_CURSORS))))
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    """Also one that stands for the same place in another spelling. The text of the error stays short."""
    with pytest.raises(InvalidFind) as caught:
        selection(Numbers, None, "value", Keyset(after=text))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("seconds", ["1e300", "1e999", "-1e20", "1" * 40])
def test_a_cursor_with_a_duration_that_is_too_long_is_refused(seconds: str) -> None:
    """The conversion of such a number raises OverflowError."""

    class Durations(View, name="hostile_durations", key="id"):
        id: int
        value: timedelta

    with pytest.raises(InvalidFind):
        selection(Durations, None, "value", Keyset(after=encoded(f'["hostile_durations:value,id",[{seconds},7]]')))


@given(st.integers(0, len(CURSOR) - 1), st.characters(codec="utf-8"))
def test_a_cursor_that_was_changed_is_refused_or_another_place(at: int, character: str) -> None:
    """Every cursor that is taken is one that a row gives."""
    text = CURSOR[:at] + character + CURSOR[at + 1 :]
    try:
        value, key = decode_cursor(Numbers, (VALUE, KEY), text)
    except InvalidFind:
        return
    assert cursor(Numbers(id=key, value=value, maybe=None), (VALUE, KEY)) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_is_a_place_or_refused(values: Any) -> None:
    """No value makes another error."""
    for view in SAMPLES:
        try:
            decode_cursor(view, (VALUE, KEY), encoded(json.dumps([f"{view.view_name}:value,id", values])))
        except InvalidFind:
            continue


def test_a_row_with_a_long_value_has_no_cursor() -> None:
    """The error is raised with the previous page, and names the remedy."""

    class Long(View, name="hostile_long", key="id"):
        id: int
        text: str

    with pytest.raises(InvalidFind, match="Sort by shorter fields"):
        cursor(Long(id=1, text="x" * LONGEST_CURSOR), (Ordering("text"), KEY))
