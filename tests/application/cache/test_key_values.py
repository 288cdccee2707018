"""Cache keys consist of values, not of texts: equal values share an answer, and an event invalidates it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from twofold import Application, Cache, Command, Event, Query, UnitOfWork
from twofold._caching.key_values import percent_encoded
from twofold._caching.keys import KeyFormat
from twofold.ports import CacheStore
from twofold_memory import InMemory

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Size(StrEnum):
    SMALL = "small"


class Level(IntEnum):
    LOW = 1


class Mixed(Enum):
    NUMBER = 1
    TEXT = "1"


EQUAL: tuple[tuple[Any, Any, Any, Any], ...] = (
    (Decimal, Decimal("1.5"), Decimal, Decimal("1.50")),
    (Decimal, Decimal(1000), Decimal, Decimal("1E+3")),
    (Decimal, Decimal(0), Decimal, Decimal("-0.00")),
    (float, 1.0, int, 1),
    (float, 0.1, Decimal, Decimal("0.10")),
    (float, -0.0, float, 0.0),
    (float, 1e-7, Decimal, Decimal("0.0000001")),
    (int, 1, bool, True),
    (int, 1, Level, Level.LOW),
    (int, 1, str, "01"),
    (datetime, NOON, datetime, NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))),
    (datetime, NOON, str, "2024-06-01T14:00:00+02:00"),
    (Colour, Colour.RED, str, "red"),
    (str, "red", Colour, Colour.RED),
    (Size, Size.SMALL, str, "small"),
    (UUID, UUID(int=10), str, str(UUID(int=10)).upper()),
    (str, str(UUID(int=10)), UUID, UUID(int=10)),
    (str, str(UUID(int=10)).upper(), UUID, UUID(int=10)),
    (str, "1.50", Decimal, Decimal("1.5")),
    (str, "2024-06-01T12:00:00Z", datetime, NOON),
    (date, date(2024, 6, 1), str, "2024-06-01"),
    (tuple[Decimal, ...], (Decimal("1.5"), Decimal(2)), tuple[Decimal, ...], (Decimal("1.50"), Decimal("2.0"))),
    (frozenset[str], frozenset("abc"), frozenset[str], frozenset("cba")),
    (str | None, None, str | None, None),
)


@dataclass
class Hidden:
    """A value whose text leaves out its field."""

    name: str = field(repr=False)


class Change(Command[None]):
    """Record that an answer has changed."""


@pytest.mark.parametrize(("asked", "question", "told", "news"), EQUAL, ids=map(str, range(len(EQUAL))))
async def test_an_event_finds_the_answer_of_an_equal_value(
    store: CacheStore, asked: Any, question: Any, told: Any, news: Any
) -> None:
    """An event invalidates the answer of an equal value, whatever the types of the fields and the form of the value."""
    loaded = 0
    ask: Any = type("Ask", (Query[int],), {"__annotations__": {"x": asked}, "__module__": __name__})
    changed: Any = type("Changed", (Event,), {"__annotations__": {"x": told}, "__module__": __name__}, name="t.changed")
    app = Application("keys", write=InMemory(), cache=store)

    @app.command_handler(Change)
    async def change(command: Change, unit: UnitOfWork) -> None:
        unit.record(changed(x=news))

    @app.query_handler(ask, cache=Cache(ttl=3600, key="k:{x}", invalidated_by={changed: "k:{x}"}))
    async def answer(query: Any) -> int:
        nonlocal loaded
        loaded += 1
        return loaded

    async with app:
        before = await app.execute(ask(x=question))
        await app.dispatch(Change())
        assert await app.execute(ask(x=question)) == before + 1
        await app.settle()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, "None"),
        ("a,b", ["a", "b"]),
        (["a,b"], ["a", "b"]),
        (["a", ["b"]], [["a"], "b"]),
        ({"a": "b,c:d"}, {"a": "b", "c": "d"}),
        (frozenset("a"), ["a"]),
        ("[a]", ["a"]),
        ("{a:b}", {"a": "b"}),
        ("<a>", frozenset("a")),
        (Hidden("a"), Hidden("b")),
        (NOON, NOON.replace(tzinfo=None)),
        (Decimal("0.1"), Decimal("0.10000000000000000000000000000001")),
        (2**53, 2**53 + 1),
    ],
    ids=str,
)
def test_other_values_have_other_keys(one: object, other: object) -> None:
    """No two values that differ share an answer."""
    assert percent_encoded(one) != percent_encoded(other)


ID = UUID(int=1)
SAME_TEXT: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (bool | int | Decimal | float | str, (True, 1, Decimal(1), 1.0, "1")),
    (Any, (True, 1, Decimal(1), 1.0, "1", Level.LOW)),
    (UUID | str | None, (ID, str(ID), None, "None", "%-")),
    (Colour | str, ("red", Colour.RED)),
    (Mixed, (Mixed.NUMBER, Mixed.TEXT)),
    (tuple[int | str, ...], ((1, "2"), ("1", 2), (1, 2))),
    (dict[str, Any], ({"a": 1}, {"a": "1"}, {"a": True})),
    (Annotated[date | str, Field()], (date(2024, 6, 1), "2024-06-01")),
)


@pytest.mark.parametrize(("annotation", "values"), SAME_TEXT, ids=str)
async def test_values_of_several_types_have_answers_of_their_own(
    store: CacheStore, annotation: Any, values: tuple[Any, ...]
) -> None:
    """Values that differ in their type alone never share an answer, and one event invalidates all of their answers."""
    ask: Any = type("Ask", (Query[str],), {"__annotations__": {"x": annotation}, "__module__": __name__})
    changed: Any = type(
        "Changed", (Event,), {"__annotations__": {"x": annotation}, "__module__": __name__}, name="t.mixed"
    )
    app, release = Application("types", write=InMemory(), cache=store), "first"

    @app.command_handler(Change)
    async def change(command: Change, unit: UnitOfWork) -> None:
        unit.record(changed(x=values[0]))

    @app.query_handler(ask, cache=Cache(ttl=3600, key="k:{x}", invalidated_by={changed: "k:{x}"}))
    async def answer(query: Any) -> str:
        return f"{release} {query.x!r}"

    async with app:
        for session in (app.session(), app.session(tenant="a")):
            assert [await session.execute(ask(x=each)) for each in values] == [f"first {each!r}" for each in values]
        release = "second"
        assert await app.execute(ask(x=values[0])) == f"first {values[0]!r}", "the answer was not cached"
        await app.dispatch(Change())
        assert await app.execute(ask(x=values[0])) == f"second {values[0]!r}"
        if str(values[0]) == str(values[1]):
            assert await app.session(tenant="a").execute(ask(x=values[1])) == f"second {values[1]!r}"
        await app.settle()


class Login(BaseModel):
    password: SecretStr


@pytest.mark.parametrize(
    "secret", [SecretStr("a"), SecretBytes(b"a"), [SecretStr("a")], Login(password=SecretStr("a"))], ids=str
)
def test_a_secret_is_not_part_of_a_key(secret: object) -> None:
    """The texts of all secrets are equal, so that a query with one secret would get the answer of another."""
    with pytest.raises(ValueError, match="a secret cannot be part of a key"):
        percent_encoded(secret)


async def test_queries_with_a_secret_that_check_does_not_see_are_answered_without_the_cache(store: CacheStore) -> None:
    """The annotation `object` says nothing about secrets. Each query gets its own answer."""

    class Ask(Query[str]):
        who: object

    app = Application("secret_keys", write=InMemory(), cache=store)

    @app.query_handler(Ask, cache=Cache(ttl=3600, key="k:{who}"))
    async def answer(query: Ask) -> str:
        assert isinstance(query.who, SecretStr)
        return f"of {query.who.get_secret_value()}"

    async with app:
        answers = [await app.execute(Ask(who=SecretStr(each))) for each in ("one", "other")]
    assert answers == ["of one", "of other"]


NUMBERS = st.integers() | st.booleans() | st.floats(allow_nan=False) | st.decimals(allow_nan=False, places=3)


@given(NUMBERS, NUMBERS)
def test_numbers_are_written_alike_exactly_if_they_are_equal(one: Any, other: Any) -> None:
    """A float is the decimal that Python shows for it."""
    exact = [Decimal(repr(each)) if isinstance(each, float) else each for each in (one, other)]
    assert (percent_encoded(one) == percent_encoded(other)) == (exact[0] == exact[1])


@given(st.datetimes(timezones=st.timezones()), st.timezones())
def test_an_instant_is_written_alike_in_every_zone(moment: datetime, zone: Any) -> None:
    """The zone in which a client writes a time does not matter."""
    try:
        other = moment.astimezone(UTC).astimezone(zone)
    except OverflowError:
        return
    assert percent_encoded(moment) == percent_encoded(other)


def test_formats_of_the_user_are_applied_to_equal_values() -> None:
    """A day is that of UTC, and an amount has its digits, however the value was written."""

    class Asked(Query[int]):
        at: datetime
        price: Decimal

    key = KeyFormat("{at:%Y-%m-%d}/{price:.2f}")
    late = datetime(2024, 6, 1, 23, tzinfo=timezone(timedelta(hours=-3)))
    assert key.of(Asked(at=late, price=Decimal("1.5"))) == "2024-06-02/1.50"
    assert key.of(Asked(at=late.astimezone(UTC), price=Decimal("1.500"))) == "2024-06-02/1.50"
