"""Values that are hard to store, each with the type of its field."""

# ruff: noqa: E501 -- a table: one line for each field

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from functools import cache
from ipaddress import IPv4Address
from math import inf, nan
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    SecretStr,
    computed_field,
)
from typing_extensions import TypeAliasType, TypedDict

T = TypeVar("T")


class Sample(NamedTuple):
    """A value and its field.

    Attributes:
        kind: the kind of the sample, a heading of the documentation.
        field: the type of the field, as the documentation shows it.
        annotation: the type of the field.
        shown: the value, as the documentation shows it.
        value: the value.
    """

    kind: str
    field: str
    annotation: Any
    shown: str
    value: Any


class Score(BaseModel):
    """A model with pydantic's defaults, which encode infinity as null."""

    value: float


class Camel(BaseModel):
    """A model with an alias for each field."""

    model_config = ConfigDict(alias_generator=str.upper)
    part_no: int


class Area(BaseModel):
    """A model with a computed field, which is written but not read."""

    model_config = ConfigDict(extra="forbid")
    side: int

    @computed_field
    def size(self) -> int:
        """Return the square."""
        return self.side**2


class Hidden(BaseModel):
    """A model with a field that is excluded from JSON."""

    hidden: int = Field(default=1, exclude=True)


class Noted(BaseModel):
    """A model with a private attribute."""

    _note: str = PrivateAttr("")


class Names(RootModel[list[str]]):
    """A model with a list as its root."""


class Box(BaseModel, Generic[T]):
    """A generic model."""

    content: T


class Cash(BaseModel):
    """The first alternative of a union."""

    kind: Literal["cash"] = "cash"
    given: Decimal = Decimal("1.00")


class Card(BaseModel):
    """The second alternative of a union."""

    kind: Literal["card"] = "card"
    number: str = "4711"


class Tree(BaseModel):
    """A recursive model."""

    children: list[Tree] = []


class Line(BaseModel):
    """A model whose id has a default factory."""

    id: UUID = Field(default_factory=uuid4)


class Doubled(BaseModel):
    """A model whose validator changes its own output."""

    value: Annotated[int, BeforeValidator(lambda value: value * 2)]


class Rounded(BaseModel):
    """A model whose serializer rounds."""

    value: Annotated[float, PlainSerializer(lambda value: round(value, 1))]


class Animal(BaseModel):
    """A base class."""

    name: str = "Rex"


class Dog(Animal):
    """A subclass with an additional field."""

    tricks: int = 2


@dataclass
class Point:
    """A dataclass."""

    x: float = 1.0
    tags: list[str] = field(default_factory=list)


class Pair(NamedTuple):
    """A named tuple."""

    left: int
    right: str


class Typed(TypedDict):
    """A typed dictionary."""

    count: int


class Colour(StrEnum):
    """An enum of texts."""

    RED = "red"


class Level(IntEnum):
    """An enum of numbers."""

    LOW = 1


class Mixed(Enum):
    """An enum whose values become the same key of a mapping."""

    ONE = 1
    TEXT = "1"


class Rights(Flag):
    """Flags."""

    READ = 1
    WRITE = 2


UserId = NewType("UserId", int)
Alias = TypeAliasType("Alias", dict[str, int])
Cents = Annotated[
    Decimal,
    BeforeValidator(lambda value: value if isinstance(value, Decimal) else Decimal(value) / 100),
    PlainSerializer(lambda value: str(value * 100)),
]
Payment = Annotated[Cash | Card, Field(discriminator="kind")]
AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
FOLD: Final = datetime(2025, 10, 26, 2, 30, fold=1)  # noqa: DTZ001


def _noted() -> Noted:
    noted = Noted()
    noted._note = "x"
    return noted


def _nested(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def _tree(depth: int) -> Tree:
    tree = Tree()
    for _ in range(depth):
        tree = Tree(children=[tree])
    return tree


@cache
def samples() -> tuple[Sample, ...]:
    """Return all samples."""
    rows: list[tuple[str, str, Any, list[tuple[str, Any]]]] = [
        ("Floats", "float", float, [("1e308", 1e308), ("5e-324", 5e-324), ("-0.0", -0.0), ("inf", inf), ("nan", nan)]),
        ("Floats", "Score (a model with a float)", Score, [(f"Score(value={v})", Score(value=v)) for v in (1.5, inf, nan)]),
        ("Floats", "list[Score]", list[Score], [("[Score(value=-inf)]", [Score(value=-inf)])]),
        ("Mappings", "dict[tuple[int, int], int]", dict[tuple[int, int], int], [("{(1, 2): 3}", {(1, 2): 3})]),
        ("Mappings", "dict[str | int, int]", dict[str | int, int], [('{"1": 1, 1: 2}', {"1": 1, 1: 2}), ('{"a": 1}', {"a": 1})]),
        ("Mappings", "dict[Mixed, int]", dict[Mixed, int], [('{Mixed("1"): 1}', {Mixed.TEXT: 1}), ("both members", {Mixed.ONE: 1, Mixed.TEXT: 2})]),
        ("Mappings", "dict[int, str]", dict[int, str], [("{-1: 'a'}", {-1: "a"})]),
        ("Mappings", "dict[Any, Any]", dict[Any, Any], [("{1: 2}", {1: 2}), ('{"a": None}', {"a": None})]),
        ("Mappings", "defaultdict[str, int]", defaultdict[str, int], [('{"a": 1}', defaultdict(int, a=1))]),
        ("Models", "alias_generator", Camel, [("Camel(PART_NO=7)", Camel.model_validate({"PART_NO": 7}))]),
        ("Models", "computed_field, extra='forbid'", Area, [("Area(side=3)", Area(side=3))]),
        ("Models", "Field(exclude=True)", Hidden, [("its default", Hidden()), ("another value", Hidden(hidden=2))]),
        ("Models", "private attribute", Noted, [("its default", Noted()), ("another value", _noted())]),
        ("Models", "RootModel[list[str]]", Names, [("Names(['a'])", Names(["a"]))]),
        ("Models", "Box[int] (generic)", Box[int], [("Box(content=1)", Box[int](content=1))]),
        ("Models", "Cash | Card, by a discriminator with a default", Payment, [("Card()", Card()), ("Cash()", Cash())]),
        ("Models", "Tree (contains itself)", Tree, [("3 levels", _tree(3)), ("300 levels", _tree(300))]),
        ("Models", "default_factory", Line, [("Line()", Line())]),
        ("Models", "a validator that doubles", Doubled, [("Doubled(value=1)", Doubled(value=1))]),
        ("Models", "a serializer that a validator reverses", Cents, [('Decimal("1.55")', Decimal("1.55"))]),
        ("Models", "a serializer that rounds", Rounded, [("1.5", Rounded(value=1.5)), ("1.55", Rounded(value=1.55))]),
        ("Subclasses", "Animal", Animal, [("Animal()", Animal()), ("Dog()", Dog())]),
        ("Subclasses", "list[Animal]", list[Animal], [("[Dog()]", [Dog()])]),
        ("Subclasses", "dict[str, Animal]", dict[str, Animal], [('{"a": Dog()}', {"a": Dog()})]),
        ("Subclasses", "Animal | int", Animal | int, [("Dog()", Dog())]),
        ("Unions", "str | datetime", str | datetime, [("a datetime", datetime(2024, 1, 1, tzinfo=UTC)), ("its text", "2024-01-01T00:00:00Z")]),
        ("Unions", "str | Decimal", str | Decimal, [('Decimal("1.5")', Decimal("1.5")), ('"1.5"', "1.5")]),
        ("Unions", "str | bytes", str | bytes, [('b"a"', b"a"), ('"a"', "a")]),
        ("Unions", "str | UUID", str | UUID, [("a UUID", UUID(int=7)), ("its text", str(UUID(int=7)))]),
        ("Unions", "list[int] | tuple[int, ...]", list[int] | tuple[int, ...], [("[1]", [1]), ("(1,)", (1,))]),
        ("Unions", "list[int] | set[int]", list[int] | set[int], [("[1]", [1]), ("{1}", {1})]),
        ("Unions", "int | bool", int | bool, [("1", 1), ("True", True)]),
        ("Unions", "float | int", float | int, [("1", 1), ("1.0", 1.0)]),
        ("Unions", "Colour | str", Colour | str, [("Colour.RED", Colour.RED), ('"red"', "red"), ('"blue"', "blue")]),
        ("Unions", "timedelta | str", timedelta | str, [("1 hour", timedelta(hours=1)), ('"PT1H"', "PT1H")]),
        (
            "Any",
            "Any",
            Any,
            [
                ("None", None), ("text", "x"), ('{"a": [1, 2.5, True]}', {"a": [1, 2.5, True]}),
                ("Decimal", Decimal(1)), ("datetime", datetime(2024, 1, 1, tzinfo=UTC)), ("UUID", UUID(int=1)),
                ("bytes", b"a"), ("set", {1}), ("tuple", (1, 2)), ("Path", PurePosixPath("a")), ("Animal()", Animal()),
                ("SecretStr", SecretStr("x")), ("150 lists in each other", _nested(150)), ("300 lists in each other", _nested(300)),
            ],
        ),
        ("Any", "object", object, [("a function", len), ("text", "x")]),
        ("Any", "Sequence[Any]", Sequence[Any], [("[1]", [1]), ("(1,)", (1,)), ('"text"', "text")]),
        ("Any", "Mapping[str, Any]", Mapping[str, Any], [('{"a": 1}', {"a": 1}), ('{"a": (1,)}', {"a": (1,)})]),
        (
            "Numbers",
            "int",
            int,
            [
                ("2⁶³ - 1", 2**63 - 1), ("2⁶³", 2**63), ("-2⁶³", -(2**63)), ("-2⁶³ - 1", -(2**63) - 1),
                ("4,000 digits", 10**3999), ("5,000 digits", 10**4999),
            ],
        ),
        (
            "Numbers",
            "Decimal",
            Decimal,
            [
                ("9.90", Decimal("9.90")), ("0.00", Decimal("0.00")), ("-0", Decimal("-0")), ("1E+5", Decimal("1E+5")),
                ("1E-20", Decimal("1E-20")), ("60 digits", Decimal("1" * 60)), ("1E+6000", Decimal("1E+6000")),
            ],
        ),
        (
            "Texts",
            "str",
            str,
            [
                ("empty", ""), ("NUL", "a\0b"), ("half a surrogate pair", "a\ud800"), ("U+2028", "\u2028"), ("emoji", "🚲👩‍👩‍👧"),
                ("spaces around", " x "), ("combining accent", "e\u0301"), ("17 MB", "x" * 17_000_000),
            ],
        ),
        ("Texts", "bytes", bytes, [("empty", b""), ("all bytes", bytes(range(256)))]),
        (
            "Times",
            "datetime",
            datetime,
            [
                ("min, UTC", datetime.min.replace(tzinfo=UTC)), ("max, UTC", datetime.max.replace(tzinfo=UTC)),
                ("microseconds", datetime(2024, 1, 1, 1, 1, 1, 1, tzinfo=UTC)), ("no time zone", datetime(2024, 1, 1)),  # noqa: DTZ001
                ("fold=1, no time zone", FOLD), ("fold=1, Amsterdam", FOLD.replace(tzinfo=AMSTERDAM)),
                ("1900, Amsterdam (offset with seconds)", datetime(1900, 1, 1, tzinfo=AMSTERDAM)),
                ("min, +14:00", datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
                ("max, -14:00", datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))),
                ("+05:30", datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
            ],
        ),
        ("Times", "AwareDatetime", AwareDatetime, [("UTC", datetime(2024, 1, 1, tzinfo=UTC))]),
        ("Times", "date", date, [("min", date.min), ("max", date.max)]),
        ("Times", "time", time, [("max", time.max), ("UTC", time(1, tzinfo=UTC)), ("Amsterdam", time(1, tzinfo=AMSTERDAM))]),
        ("Times", "timedelta", timedelta, [("min", timedelta.min), ("max", timedelta.max), ("-1 µs", timedelta(microseconds=-1))]),
        ("Typing", "NewType of int", UserId, [("7", UserId(7))]),
        ("Typing", "Literal['a', 1]", Literal["a", 1], [('"a"', "a"), ("1", 1)]),
        ("Typing", "type alias of dict[str, int]", Alias, [('{"a": 1}', {"a": 1})]),
        ("Typing", "TypedDict", Typed, [('{"count": 1}', {"count": 1})]),
        ("Typing", "NamedTuple", Pair, [("Pair(1, 'a')", Pair(1, "a"))]),
        ("Typing", "dataclass", Point, [("Point()", Point()), ("Point(inf)", Point(inf))]),
        ("Typing", "AnyUrl", AnyUrl, [("https://example.com/a", AnyUrl("https://example.com/a"))]),
        ("Typing", "IPv4Address", IPv4Address, [("10.0.0.1", IPv4Address("10.0.0.1"))]),
        ("Typing", "StrEnum", Colour, [("Colour.RED", Colour.RED)]),
        ("Typing", "IntEnum", Level, [("Level.LOW", Level.LOW)]),
        ("Typing", "Enum of mixed values", Mixed, [("Mixed(1)", Mixed.ONE), ('Mixed("1")', Mixed.TEXT)]),
        ("Typing", "Flag", Rights, [("READ | WRITE", Rights.READ | Rights.WRITE)]),
    ]  # fmt: skip
    return tuple(
        Sample(kind, field, annotation, shown, value)
        for kind, field, annotation, values in rows
        for shown, value in values
    )
