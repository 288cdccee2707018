"""The text of a consistency token: what it contains, how long it is, and which texts are refused."""

from __future__ import annotations

import base64
import json
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.wire import token
from twofold._consistency.token import (
    KEPT,
    KEPT_TYPES,
    LONGEST,
    REMEMBERED,
    TYPES,
    Written,
    decode_token,
    decode_tokens,
    encode_token,
    encode_tokens,
    latest,
    merged,
    type_key,
)
from twofold.errors import InvalidToken
from twofold.ports import Position

POSITIONS = st.lists(st.integers(1, 2**63 - 1).map(Position), max_size=8, unique=True).map(sorted).map(tuple)


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5).filter(str.isprintable), POSITIONS),
        unique_by=lambda each: each[0],
        max_size=3,
    ),
    POSITIONS,
)
def test_tokens_contain_the_written_positions(
    origins: list[tuple[str, tuple[Position, ...]]], events: tuple[Position, ...]
) -> None:
    """A token contains all writes of its session, whatever their origin."""
    pairs = tuple((log, position) for log, positions in origins for position in positions)
    written = Written("log", max(events, default=Position(0)), events, pairs)
    assert decode_token(encode_token(written)) == written


KEYS = tuple(map(type_key, ("t.a", "t.b", "t.c")))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wrote"), st.sampled_from(KEYS)),
            st.tuples(st.sampled_from(["of unknown type", "through a token"]), st.just("")),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sets(st.sampled_from(KEYS)),
    st.permutations(range(1, 13)),
)
def test_a_wait_covers_every_event_of_a_type(
    steps: list[tuple[str, str]], names: set[str], positions: list[int]
) -> None:
    """The position to wait for is not below any event of the types that a projection applies, or of an unknown type.

    If all types are known, it is the position of the last of these events. Tokens change nothing.
    """
    written: Written | None = None
    relevant, typed = [Position(0)], True
    for (step, name), number in zip(steps, positions, strict=False):
        position = Position(number)
        if step == "through a token":
            written = written and decode_token(encode_token(written))
            continue
        known = step == "wrote"
        types = ((name, position),) if known else ()
        one = Written("log", position, (position,), (), None, types, Position(0) if known else None)
        written = latest(written, one)
        typed = typed and known
        if not known or name in names:
            relevant.append(position)
    if written is not None:
        upto = written.upto(frozenset(names))
        assert max(relevant) <= upto <= written.position == written.upto(None)
        assert not typed or upto == max(relevant)


def test_a_wait_covers_types_that_a_token_leaves_out() -> None:
    """A token and a session store a limited number of types. An event of another type is still waited for."""
    written: Written | None = None
    for number in range(1, 2 * KEPT_TYPES):
        position = Position(number)
        one = Written("log", position, (), (), None, ((type_key(f"t.{number}"), position),), Position(0))
        written = latest(written, one)
        assert written is not None
        for each in (written, decode_token(encode_token(written))):
            for earlier in range(1, number + 1):
                assert each.upto(frozenset({type_key(f"t.{earlier}")})) >= earlier
            assert each.upto(frozenset({type_key(f"t.{number}")})) == number
    assert written is not None
    assert (len(written.types), len(decode_token(encode_token(written)).types)) == (KEPT_TYPES, TYPES)


def test_a_token_stays_short() -> None:
    """However often it is passed on and merged with itself."""
    events = tuple(map(Position, range(1, KEPT + 100)))
    one = Written("log", events[-1], events, tuple(("other", each) for each in events))
    both = latest(one, latest(one, one))
    assert both is not None
    assert (both.events, len(both.origins)) == (events[-KEPT:], KEPT)
    decoded = decode_token(encode_tokens([both]))
    assert decoded.events == events[-REMEMBERED:]
    assert len(decoded.origins) == REMEMBERED
    assert latest(decoded, decoded) == decoded


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3_000,
        '["log", 5]',
        '["log", 5, "", [5], {}, {}]',
        '["log", true, "", []]',
        '["log", -1, "", []]',
        '["log", 5.0, "", []]',
        '["log", 1' + "0" * 30 + ', "", []]',
        '["log", 5, "AA", [5]]',
        '["log", 5, 7, [5]]',
        f'["log", {2**63}, "", []]',
        '["log", 5, "", [6]]',
        '["log", 5, "", [true]]',
        '["log", 5, "", [3, 0]]',
        '["log", 5, "", [3, -1]]',
        '["log", 5, "", {"1": 1}]',
        '["log", 5, "", "1"]',
        '["log", 5, "", null]',
        '[7, 5, "", [5]]',
        '["", 5, "", [5]]',
        '["a\\u0000b", 5, "", [5]]',
        '["\\ud800", 5, "", [5]]',
        f'["{"x" * 101}", 5, "", [5]]',
        '["log", 5, "", [5], {"\\u0000": [1]}]',
        '["log", 5, "", [5], []]',
        '["log", 5, "", [5], {"other": 1}]',
        '["log", 5, "", [5], {"other": [0]}]',
        f'["log", 5, "", [5], {{"other": [{2**63}]}}]',
        '["log", 5, "", [5], {}, 0]',
        '["log", 5, "", [5], {}, 5, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, -1, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, true, {"AAAAAAAA": 0}]',
        '["log", 5, "", [5], {}, 0, {}]',
        '["log", 5, "", [5], {}, 0, []]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": -1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": 5}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "\\u0000": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBB": 1}]',
        '["log", 5, "", [5], {}, 0, {"AAAAAAAA": 0, "BBBBBBBB": "1"}]',
        "{}",
        "5",
    ],
    ids=lambda text: text[:70],
)
def test_a_text_that_is_not_a_token_is_refused(text: str) -> None:
    """An invalid token is refused, because any client can send one."""
    with pytest.raises(InvalidToken, match=r"Pass on Session\.token unchanged"):
        decode_token(base64.urlsafe_b64encode(text.encode()).decode())


@pytest.mark.parametrize(
    "token", ["A" * 32_769, "." * 40_000, "W" * 65_536, b"bytes", 7, None, "é", "a b", "\0", "\ud800"]
)
def test_texts_of_other_kinds_are_refused(token: Any) -> None:
    """A token that is too long, or that is not base64 text, is refused before it costs anything."""
    with pytest.raises(InvalidToken):
        decode_tokens(token)


def test_a_well_formed_token_that_is_too_long_is_refused() -> None:
    """A client can write a token of 64 kB that could be decoded. Its length decides."""
    part = token(5)
    assert len(decode_tokens(f"{part}.{part}")) == 2
    with pytest.raises(InvalidToken, match=rf"\d{{5}} characters, the limit is {LONGEST}"):
        decode_tokens(".".join([part] * -(-65_536 // len(part))))


def _of_positions(number: int) -> str:
    text = json.dumps(["log", 2**21, "", [1] * number + [2**20], {f"{each}": [1] for each in range(number)}])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


COSTLY: dict[str, Callable[[int], str]] = {
    "one log": lambda number: ".".join(token(each) for each in range(1, number)),
    "many logs": lambda number: ".".join(token(5, log=f"{each}") for each in range(number)),
    "many positions": _of_positions,
}
"""Tokens of any length that clients can write."""


def _steps(decode: Callable[[], object]) -> int:
    """Return the number of steps of a call: a measure of its time that does not depend on the machine."""
    count, before = 0, sys.gettrace()

    def counted(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return counted

    sys.settrace(counted)
    try:
        decode()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("kind", COSTLY)
def test_a_token_costs_linear_time(kind: str) -> None:
    """A token that is four times as long costs four times as much, not sixteen times."""
    short, long = (COSTLY[kind](number) for number in (100, 400))
    assert _steps(lambda: merged(decode_tokens(long))) < 6 * _steps(lambda: merged(decode_tokens(short)))


@pytest.mark.parametrize("kind", COSTLY)
def test_a_token_costs_bounded_memory(kind: str) -> None:
    """A token of the greatest length needs less than 100 bytes a character, whatever positions it names."""
    text = next(text for number in range(2_000, 0, -50) if len(text := COSTLY[kind](number)) <= LONGEST)
    tracemalloc.start()
    try:
        assert merged(decode_tokens(text))
        assert tracemalloc.get_traced_memory()[1] < 100 * LONGEST
    finally:
        tracemalloc.stop()


def test_a_token_of_many_logs_stays_short() -> None:
    """The logs share the positions that a token carries, so that it fits a header and can be decoded."""
    events = tuple(map(Position, range(1, KEPT)))
    written = [Written(f"{number:032}", events[-1], events) for number in range(200)]
    token = encode_tokens(written)
    assert len(token) <= LONGEST
    assert [each.log for each in decode_tokens(token)] == [each.log for each in written]


def test_origins_of_many_logs_are_encoded_once() -> None:
    """The encoder iterates once over the origins of many logs."""
    origins = tuple((f"{number:032}", Position(number)) for number in range(1, KEPT))
    decoded = decode_token(encode_token(Written("log", Position(5), (Position(5),), origins)))
    assert decoded.origins == origins[-REMEMBERED:]


def test_tokens_are_json() -> None:
    """Tokens are JSON, which the cases above rely on."""
    text = json.loads(base64.urlsafe_b64decode(encode_token(Written("log", Position(5), (Position(5),))) + "=="))
    assert text == ["log", 5, "", [5]]
