"""Views and rows for the suites about read models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from twofold._definitions.view import View
from twofold.ports import Condition, Position, ReadStore, RowChange, RowReader, Selection
from twofold.ports.rows import Ordering, V

from .._tools.opened import reading, writing


class Colour(Enum):
    """An enum of texts."""

    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 10


class Mixed(Enum):
    """An enum of values that cannot be compared with each other in Python."""

    TEXT = "x"
    NUMBER = 1
    HALF = 0.5


class Line(BaseModel):
    """A nested model of a row."""

    product: str
    price: Decimal
    when: datetime | None = None
    unit: str = Field(default="piece", alias="soldBy")


class Task(View, name="conformance_task", key="id", indexes=["team", ("team", "rank")]):
    """A row with a field of each type that can be compared."""

    id: str
    team: str = "a"
    rank: int = 0
    weight: float = 0.0
    cost: Decimal = Decimal(0)
    due: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    day: date = date(2024, 1, 1)
    owner: UUID = UUID(int=0)
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    done: bool = False
    note: str | None = None
    score: int | None = None


class Sheet(View, name="conformance_sheet", key="id"):
    """A row with a field of each type that can be stored."""

    id: str
    text: str
    number: int
    ratio: float
    flag: bool
    amount: Decimal
    at: datetime
    day: date
    owner: UUID
    colour: Colour
    level: Level
    maybe_text: str | None
    maybe_number: int | None
    maybe_ratio: float | None
    maybe_flag: bool | None
    maybe_amount: Decimal | None
    maybe_at: datetime | None
    maybe_day: date | None
    maybe_owner: UUID | None
    maybe_colour: Colour | None
    line: Line
    maybe_line: Line | None
    lines: tuple[Line, ...]
    names: list[str]
    prices: dict[str, Decimal]
    nested: dict[str, dict[str, tuple[int, ...]]]


class NumberKey(View, name="conformance_number_key", key="id"):
    """A row with a number as its key."""

    id: int
    text: str = ""


class UuidKey(View, name="conformance_uuid_key", key="id"):
    """A row with a UUID as its key."""

    id: UUID
    text: str = ""


class DateKey(View, name="conformance_date_key", key="id"):
    """A row with a date as its key."""

    id: date
    text: str = ""


class Sample(View, name="conformance_sample", key="id", indexes=["mixed"]):
    """A row with an enum of mixed values."""

    id: str
    mixed: Mixed


SHEETS = (
    Sheet(
        id="full",
        text="Grüße, 東京 🚲, 'quoted' \"twice\" \\ and a\nline",
        number=2**62 + 1,
        ratio=0.1 + 0.2,
        flag=True,
        amount=Decimal("2.50"),
        at=datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        day=date(2024, 2, 29),
        owner=UUID("0188d0e2-7b1c-7f00-8000-00000000002a"),
        colour=Colour.BLUE,
        level=Level.HIGH,
        maybe_text="",
        maybe_number=-1,
        maybe_ratio=-1e-300,
        maybe_flag=False,
        maybe_amount=Decimal("-12345678901234567890.0123456789"),
        maybe_at=datetime(1999, 12, 31, 0, 0, 0, 1, tzinfo=UTC),
        maybe_day=date(1, 1, 1),
        maybe_owner=UUID(int=1),
        maybe_colour=Colour.RED,
        line=Line(product="p", price=Decimal("0.10"), when=datetime(2024, 1, 1, 12, tzinfo=UTC)),
        maybe_line=Line(product="é", price=Decimal("1E+3")),
        lines=(Line(product="x", price=Decimal(1)), Line(product="y", price=Decimal("1.00"), soldBy="kg")),
        names=["b", "a", ""],
        prices={"ä": Decimal("9.90"), "": Decimal(0)},
        nested={"a": {"b": (1, 2), "c": ()}},
    ),
    Sheet(
        id="empty",
        text="",
        number=0,
        ratio=0.0,
        flag=False,
        amount=Decimal(0),
        at=datetime(2024, 1, 1, tzinfo=UTC),
        day=date(9999, 12, 31),
        owner=UUID(int=0),
        colour=Colour.RED,
        level=Level.LOW,
        maybe_text=None,
        maybe_number=None,
        maybe_ratio=None,
        maybe_flag=None,
        maybe_amount=None,
        maybe_at=None,
        maybe_day=None,
        maybe_owner=None,
        maybe_colour=None,
        line=Line(product="", price=Decimal(0)),
        maybe_line=None,
        lines=(),
        names=[],
        prices={},
        nested={},
    ),
)


def tasks(number: int = 24) -> list[Task]:
    """Return rows with many equal values, and with texts that do not sort like the values that they represent."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    zones = (UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=9)))
    costs = (Decimal("9.5"), Decimal(10), Decimal(-3), Decimal("9.50"), Decimal("100.25"))
    return [
        Task(
            id=f"t{index * 7 % number:03}",
            team="abc"[index % 3],
            rank=(-9, 0, 5, 10)[index % 4],
            weight=(1.5, -2.25, 1e20, 1e-20)[index % 4],
            cost=costs[index % 5],
            due=(start + timedelta(hours=index % 6, microseconds=index % 2)).astimezone(zones[index % 3]),
            day=date(2024, 1 + index % 4, 28 - index % 2),
            owner=UUID(int=(index % 5) << 100),
            colour=(Colour.RED, Colour.BLUE)[index % 2],
            level=(Level.HIGH, Level.LOW)[index // 2 % 2],
            done=index % 3 == 0,
            note=(None, "", "x", "y")[index % 4],
            score=(None, 0, -1, 12)[index // 3 % 4],
        )
        for index in range(number)
    ]


async def put(store: ReadStore, rows: Iterable[View], *, position: int = 1) -> None:
    """Commit rows of one view at one position."""
    given = list(rows)
    async with writing(store) as transaction:
        changes = [RowChange(row.key, row, Position(position)) for row in given]
        await transaction.rows(type(given[0])).write(changes)


async def change(store: ReadStore, view: type[V], *changes: tuple[object, V | None, int]) -> None:
    """Commit changes. Each has a key, a row or None, and a position."""
    async with writing(store) as transaction:
        await transaction.rows(view).write([RowChange(key, row, Position(at)) for key, row, at in changes])


async def get(store: ReadStore, view: type[V], key: object) -> V | None:
    """Return a committed row."""
    async with reading(store) as transaction:
        return (await transaction.rows(view).get_many([key])).get(key)


async def all_of(store: ReadStore, view: type[V]) -> dict[object, V]:
    """Return all committed rows by key."""
    async with reading(store) as transaction:
        found = await transaction.rows(view).select(Selection(order_by=(Ordering(view.view_key),)))
        return {row.key: row for row in found}


def ordered(rows: Iterable[Task], *order: Ordering) -> list[Task]:
    """Return rows in the order in which a store returns them."""
    result = list(rows)
    for term in reversed(order):
        result.sort(key=lambda row: getattr(row, term.field), reverse=term.descending)
    return result


def ids(rows: Iterable[Any]) -> list[object]:
    """Return the keys of rows, in their order."""
    return [row.key for row in rows]


async def keyset_pages(
    rows: RowReader[Task], order: Sequence[Ordering], size: int, where: tuple[Condition, ...] = ()
) -> list[Task]:
    """Read the matching rows page by page, each page after the last row of the page before."""
    found: list[Task] = []
    after: tuple[object, ...] | None = None
    while page := await rows.select(Selection(where, tuple(order), after, limit=size)):
        assert len(page) <= size, f"a page of at most {size} rows has {len(page)}"
        found += page
        assert len(found) < 1000, "the pages do not come to an end"
        after = tuple(getattr(page[-1], term.field) for term in order)
    return found


async def found_ids(store: ReadStore, *where: Condition) -> list[object]:
    """Return the keys of the matching tasks, in order; check that the count agrees."""
    async with reading(store) as transaction:
        rows = transaction.rows(Task)
        found = ids(await rows.select(Selection(where=where, order_by=(Ordering("id"),))))
        assert await rows.count(where) == len(found)
        return found
