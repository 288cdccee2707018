"""The types of fields: every store stores, finds and sorts their values in the same way, and accepts them as keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from itertools import product
from operator import eq, ge, gt, le, lt, ne
from types import new_class
from typing import Annotated, Any, Final, Literal, NewType, cast
from uuid import UUID

from pydantic import AnyUrl, AwareDatetime, Field, HttpUrl, PastDate, PositiveInt
from typing_extensions import TypeAliasType

from twofold._definitions.view import View
from twofold.ports import Condition, Operator, Ordering, ReadStore, Selection, scalar_form

from .._domain.row_samples import all_of, get, keyset_pages, put
from .._tools.opened import NewReadStore, reading


class Size(StrEnum):
    """An enum of texts whose members are not in alphabetical order."""

    SMALL = "s"
    LARGE = "l"


class Grade(IntEnum):
    """An enum of integers."""

    BAD = -1
    GOOD = 10


class Mixed(Enum):
    """An enum with values of several types, which is compared by the names of its members."""

    TEN = 10
    ONE = "1"


class Access(Flag):
    """Flags that can be combined."""

    READ = 1
    WRITE = 2


class Mode(IntFlag):
    """Flags that are integers."""

    USER = 4
    GROUP = 2


UserId = NewType("UserId", int)
Code = NewType("Code", str)
Alias = TypeAliasType("Alias", int)
AliasOfAlias = TypeAliasType("AliasOfAlias", Annotated[Alias, Field(ge=-5)])

NOON: Final = datetime(2024, 6, 1, 12, tzinfo=UTC)

TYPES: Final[Mapping[str, tuple[Any, Sequence[Any]]]] = {
    "str": (str, ["", "A", "a", "ä", "東京"]),
    "int": (int, [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]),
    "float": (float, [-1e300, -0.5, 0.0, 5e-324, 1e300]),
    "bool": (bool, [False, True]),
    "decimal": (Decimal, [Decimal("-1.50"), Decimal(0), Decimal("9.90"), Decimal(10)]),
    "datetime": (datetime, [datetime(1, 1, 2, tzinfo=UTC), NOON, NOON + timedelta(microseconds=1)]),
    "aware": (AwareDatetime, [NOON, NOON + timedelta(days=1)]),
    "date": (date, [date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31)]),
    "past": (PastDate, [date(1999, 1, 1), date(2000, 1, 1)]),
    "time": (time, [time(0), time(9, 5), time(9, 5, 0, 1), time(23, 59, 59, 999999)]),
    "timedelta": (timedelta, [timedelta(-400), timedelta(microseconds=-1), timedelta(0), timedelta(9, 1, 1)]),
    "uuid": (UUID, [UUID(int=0), UUID(int=1), UUID(int=2**127)]),
    "ipv4": (IPv4Address, [IPv4Address("10.0.0.1"), IPv4Address("127.0.0.1"), IPv4Address("9.0.0.1")]),
    "ipv6": (IPv6Address, [IPv6Address("2001:db8::1"), IPv6Address("::1")]),
    "network": (IPv4Network, [IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16")]),
    "url": (AnyUrl, [AnyUrl("ftp://a.example/"), AnyUrl("https://a.example/?q=%C3%A4")]),
    "http": (HttpUrl, [HttpUrl("http://a.example/"), HttpUrl("https://a.example/")]),
    "new_type": (UserId, [UserId(-1), UserId(9), UserId(10)]),
    "new_text": (Code, [Code(""), Code("B"), Code("b")]),
    "alias": (Alias, [-1, 0, 7]),
    "alias_of_alias": (AliasOfAlias, [-5, 0, 7]),
    "positive": (PositiveInt, [1, 2, 30]),
    "annotated": (Annotated[str, Field(max_length=3)], ["a", "b"]),
    "literal": (Literal["c", "a", "b"], ["a", "b", "c"]),
    "numbers": (Literal[10, 9], [9, 10]),
    "members": (Literal[Size.SMALL, Size.LARGE], [Size.LARGE, Size.SMALL]),
    "str_enum": (Size, [Size.LARGE, Size.SMALL]),
    "int_enum": (Grade, [Grade.BAD, Grade.GOOD]),
    "mixed_enum": (Mixed, [Mixed.ONE, Mixed.TEN]),
    "flag": (Access, [Access(0), Access.READ, Access.WRITE, Access.READ | Access.WRITE]),
    "int_flag": (Mode, [Mode.GROUP, Mode.USER, Mode.USER | Mode.GROUP]),
}
"""For each view: the annotation of the field, and values in ascending order."""

NO_KEYS: Final = ("decimal",)
"""Types with equal values that have several stored forms."""

_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: eq,
    Operator.NE: ne,
    Operator.GT: gt,
    Operator.GE: ge,
    Operator.LT: lt,
    Operator.LE: le,
}


def view(name: str, key: Any, **fields: Any) -> Any:
    """Return a view with an index on each field."""
    body = {"__annotations__": {"id": key, **fields}, "__module__": __name__}
    arguments = {"name": name, "key": "id", "indexes": [*fields]}
    return new_class("Typed", (View,), arguments, lambda namespace: namespace.update(body))


VIEWS: Final = {
    name: view(f"typed_{name}", str, value=each, maybe=cast(Any, each) | None) for name, (each, _) in TYPES.items()
}
KEYED: Final = {name: view(f"keyed_{name}", each) for name, (each, _) in TYPES.items() if name not in NO_KEYS}


class FieldTypesSuite:
    """The promises of every store about each type of field. Needs the fixture `new_store`."""

    async def test_values_of_each_type(self, new_store: NewReadStore) -> None:
        """A value of each type is returned equal and with the same class. None is returned as None."""
        async with new_store([*VIEWS.values()]) as store:
            for name, of in VIEWS.items():
                rows = _rows(name)
                await put(store, rows)
                found = await all_of(store, of)
                assert found == {row.id: row for row in rows}, name
                classes = {key: (type(row.value), type(row.maybe)) for key, row in found.items()}
                assert classes == {row.id: (type(row.value), type(row.maybe)) for row in rows}, name

    async def test_conditions_of_each_type(self, new_store: NewReadStore) -> None:
        """Each operator compares values of each type in their common stored form. Only None equals None."""
        async with new_store([*VIEWS.values()]) as store:
            for name, of in VIEWS.items():
                rows = _rows(name)
                await put(store, rows)
                for field, value, (operator, compare) in product(("value", "maybe"), TYPES[name][1], _COMPARE.items()):
                    wanted = [row.id for row in rows if _holds(operator, compare, getattr(row, field), value)]
                    assert await _found(store, of, Condition(field, operator, value)) == wanted, (name, field, operator)
                for field in ("value", "maybe"):
                    several = tuple(TYPES[name][1][:2])
                    wanted = [row.id for row in rows if getattr(row, field) in several]
                    assert await _found(store, of, Condition(field, Operator.ONE_OF, several)) == wanted, (name, field)

    async def test_orders_of_each_type(self, new_store: NewReadStore) -> None:
        """Every store sorts by a field of each type in the same order: ascending, descending and page by page."""
        async with new_store([*VIEWS.values()]) as store:
            for name, of in VIEWS.items():
                rows = _rows(name)
                await put(store, rows)
                for descending in (False, True):
                    order = Ordering("value", descending), Ordering("id", descending)
                    async with reading(store) as transaction:
                        found = await keyset_pages(transaction.rows(of), order, 2)
                    assert found == (rows[::-1] if descending else rows), name

    async def test_keys_of_each_type(self, new_store: NewReadStore) -> None:
        """A value of each type works as a key and finds exactly its row."""
        async with new_store([*KEYED.values()]) as store:
            for name, of in KEYED.items():
                rows = [of(id=value) for value in TYPES[name][1]]
                await put(store, rows)
                assert list((await all_of(store, of)).values()) == rows, name
                for row in rows:
                    assert await get(store, of, row.id) == row, name


def _rows(name: str) -> list[Any]:
    """Return a row for each value, in ascending order. Every second row also has the value in the optional field."""
    values = TYPES[name][1]
    return [
        VIEWS[name](id=str(number), value=value, maybe=None if number % 2 else value)
        for number, value in enumerate(values)
    ]


def _holds(operator: Operator, compare: Callable[[Any, Any], bool], own: Any, value: Any) -> bool:
    if own is None:
        return operator is Operator.NE
    cls: type = type(value)
    form = scalar_form(cls)
    assert form is not None
    return compare(form.value_of(own), form.value_of(value))


async def _found(store: ReadStore, of: Any, *where: Condition) -> list[object]:
    async with reading(store) as transaction:
        rows = transaction.rows(of)
        found = await rows.select(Selection(where=where, order_by=(Ordering("id"),)))
        assert await rows.count(where) == len(found)
        return [row.id for row in found]
