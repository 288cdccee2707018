"""Every row comes back equal, whatever values its fields have."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from twofold import View
from twofold.errors import StorageError
from twofold.ports import Condition, Operator, Ordering, Position, RowChange, Selection
from twofold_sqlalchemy import SqlAlchemy


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Mixed(enum.Enum):
    NUMBER = 1
    TEXT = "one"


class Line(BaseModel):
    product: str
    price: Decimal


class Everything(View, name="everything", key="id"):
    id: str
    text: str
    number: int
    flag: bool
    ratio: float
    amount: Decimal
    at: datetime
    on: date
    uuid: UUID
    colour: Colour
    level: Level
    mixed: Mixed
    lines: tuple[Line, ...]
    blob: bytes
    tags: dict[str, float]
    maybe_text: str | None
    maybe_amount: Decimal | None
    maybe_at: datetime | None
    maybe_ratio: float | None
    maybe_line: Line | None


class Plain(View, name="plain", key="id"):
    id: int
    text: str
    number: int | None
    flag: bool
    ratio: float
    amount: Decimal
    at: datetime
    on: date | None
    uuid: UUID


texts = st.text(st.characters(codec="utf-8"))
decimals = st.decimals(-(10**35) + 1, 10**35 - 1, places=30) | st.decimals(-(10**9), 10**9, places=2)
"""The decimals that views may have; see `_encoding.row_values`."""
zones = st.sampled_from([UTC, timezone(timedelta(hours=-5))])
times = st.datetimes() | st.datetimes(timezones=zones, allow_imaginary=False).filter(lambda at: 1 < at.year < 9999)
numbers = st.integers(-(2**63), 2**63 - 1)
uuids = st.uuids()
lines = st.builds(Line, product=texts, price=decimals)
everything = st.builds(
    Everything,
    id=texts,
    text=texts,
    number=numbers,
    ratio=st.floats(),
    amount=decimals,
    at=times,
    lines=st.lists(lines).map(tuple),
    blob=st.binary(),
    tags=st.dictionaries(texts, st.floats()),
    maybe_text=st.none() | texts,
    maybe_amount=st.none() | decimals,
    maybe_at=st.none() | times,
    maybe_ratio=st.none() | st.floats(),
    maybe_line=st.none() | lines,
)
plain = st.builds(
    Plain, id=numbers, text=texts, number=st.none() | numbers, ratio=st.floats(), amount=decimals, at=times
)


async def there_and_back(store: SqlAlchemy, row: View) -> View:
    """Write a row and read it, in a transaction that is rolled back."""
    transaction = await store.begin()
    try:
        writer = transaction.rows(type(row))
        await writer.write([RowChange(row.key, row, Position(1))])
        return (await writer.get_many([row.key]))[row.key]
    finally:
        await transaction.rollback()


@pytest.fixture
async def tables(store: SqlAlchemy) -> SqlAlchemy:
    """A store with the tables of the rows, which all examples share."""
    await store.create_schema([Everything, Plain])
    return store


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=everything | plain)
async def test_a_row_comes_back_equal(tables: SqlAlchemy, row: View) -> None:
    """Types, exponents of decimals, instants to the microsecond, NaN and infinities included."""
    found = await there_and_back(tables, row)

    assert type(found) is type(row)
    # repr tells NaN from NaN as equal and 2.5 from 2.50 as different; instants are brought to one zone first.
    assert repr(in_utc(found)) == repr(in_utc(row))
    assert found.model_fields_set == set(type(row).model_fields)


def in_utc(row: View) -> dict[str, object]:
    """Return the fields of a row, alike for equal instants and for zeros of either sign."""
    values = row.model_dump()
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = (value if value.tzinfo is None else value.astimezone(UTC)).replace(fold=0)
        if value == 0 and isinstance(value, float):
            values[name] = 0.0  # SQLite has no negative zero
    return values


async def keep(engine: AsyncEngine, *rows: View) -> SqlAlchemy:
    """Return a store that holds some rows of a view."""
    store = SqlAlchemy(engine)
    view = type(rows[0])
    await store.create_schema([view])
    transaction = await store.begin()
    try:
        await transaction.rows(view).write([RowChange(row.key, row, Position(1)) for row in rows])
        await transaction.commit()
    finally:
        await transaction.rollback()
    return store


class Price(View, name="price", key="id", indexes=["amount"]):
    id: int
    amount: Decimal
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


async def test_decimals_are_found_and_sorted_as_numbers(engine: AsyncEngine) -> None:
    """10 comes after 9.5, and 2.5 finds 2.50."""
    store = await keep(
        engine, *(Price(id=n, amount=Decimal(a)) for n, a in enumerate(["10", "9.5", "2.50", "-3", "1E+2"]))
    )
    transaction = await store.begin(read_only=True)
    rows = transaction.rows(Price)

    by_amount = await rows.select(Selection((), (Ordering("amount"), Ordering("id"))))
    equal = await rows.select(Selection((Condition("amount", Operator.EQ, Decimal("2.5")),), (Ordering("id"),)))
    lag = await rows.select(Selection((), (Ordering("amount"), Ordering("id")), after=(Decimal("9.50"), 1)))
    await transaction.rollback()

    assert [str(row.amount) for row in by_amount] == ["-3", "2.50", "9.5", "10", "100"]
    assert [str(row.amount) for row in equal] == ["2.50"]
    assert [row.id for row in lag] == [0, 4]


async def test_times_of_different_zones_are_sorted_as_instants(engine: AsyncEngine) -> None:
    """The later wall clock may be the earlier instant."""
    west = timezone(timedelta(hours=-5))
    early, late = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 8, tzinfo=west)
    store = await keep(engine, Price(id=1, amount=Decimal(1), at=late), Price(id=2, amount=Decimal(1), at=early))
    transaction = await store.begin(read_only=True)

    found = await transaction.rows(Price).select(Selection((), (Ordering("at"), Ordering("id"))))
    await transaction.rollback()

    assert [row.id for row in found] == [2, 1]


async def test_a_number_that_does_not_fit_is_refused(engine: AsyncEngine) -> None:
    """An integer of more than 64 bits is refused and not truncated."""
    with pytest.raises(StorageError, match="64 bits"):
        await keep(engine, Price(id=2**63, amount=Decimal(1)))


class Checked(View, name="checked", key="id"):
    id: int
    size: Annotated[int, Field(gt=0)]
    name: str

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()


async def test_a_view_with_rules_of_its_own_is_validated(engine: AsyncEngine) -> None:
    """A stored row that the class no longer accepts is reported with its key and its table."""
    store = await keep(engine, Checked(id=1, size=2, name="A"))
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE checked SET name = 'B'")
    transaction = await store.begin(read_only=True)
    assert (await transaction.rows(Checked).get_many([1]))[1].name == "b"
    await transaction.rollback()

    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE checked SET size = -1")
    transaction = await store.begin(read_only=True)
    with pytest.raises(StorageError, match="the row of Checked with the key 1"):
        await transaction.rows(Checked).get_many([1])
    await transaction.rollback()
