"""Values that are stored or sent: encoded as JSON, and refused if another value would come back."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from ipaddress import IPv4Address
from math import inf, nan
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from twofold._encoding.difference import difference
from twofold._encoding.lossy import LossyError
from twofold._encoding.misfits import misfits_without_values
from twofold._encoding.round_trip import LARGEST, RoundTrip
from twofold.testing.conformance._domain.value_samples import Area, Score


class Inner(BaseModel):
    """A part of another model."""

    number: int = Field(alias="theNumber")


class Hidden(BaseModel):
    """A model with a field and an attribute that JSON leaves out."""

    hidden: int = Field(default=1, exclude=True)
    _note: str = PrivateAttr("")


class OldFee(BaseModel):
    """A nested model with a default."""

    amount: int = 1


class OldTariff(BaseModel):
    """A model whose field has a default."""

    fee: OldFee = OldFee()


class NewFee(BaseModel):
    """The nested model of a later release."""

    amount: int = 2


class NewTariff(BaseModel):
    """The model of a later release."""

    fee: NewFee = NewFee()


class Animal(BaseModel):
    """The base of another model."""

    name: str


class Dog(Animal):
    """A model in place of its base."""

    tricks: int = 0


@dataclass
class Point:
    """A value without a configuration of its own."""

    x: float
    y: float


class Pair(NamedTuple):
    """A tuple with names."""

    left: int
    right: str


class Colour(StrEnum):
    """An enum whose members are texts."""

    RED = "red"


class Mixed(Enum):
    """An enum whose values JSON distinguishes, although Python may not."""

    ONE = 1
    TEXT = "1"


class Level(IntEnum):
    """An enum whose members are numbers."""

    LOW = 1


class Rights(Flag):
    """A combination of flags."""

    READ = 1
    WRITE = 2


EQUAL: list[tuple[Any, object]] = [
    (float, inf),
    (float, nan),
    (float, -0.0),
    (bytes, b"\xff\x00"),
    (Decimal, Decimal("9.90")),
    (Decimal, Decimal("1E+5")),
    (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    (datetime, datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
    (datetime, datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam"), fold=1)),
    (timedelta, timedelta.min),
    (time, time.max),
    (list[Point], [Point(1.0, inf)]),
    (dict[str, bytes | None], {"a": b"\xfe", "b": None}),
    (dict[int, str], {1: "a"}),
    (Inner, Inner(theNumber=7)),
    (Hidden, Hidden()),
    (Area, Area(side=3)),
    (Pair, Pair(1, "a")),
    (str, "\0 \u2028 🚲"),
    (Colour, Colour.RED),
    (Mixed, Mixed.TEXT),
    (Rights, Rights.READ | Rights.WRITE),
    (IPv4Address, IPv4Address("10.0.0.1")),
    (Path, Path("a/b")),
    (int | bool, True),
    (str | int, "1"),
    (float | int, 1.0),
    (Json[list[int]], [1, 2]),
    (defaultdict[str, int], defaultdict(int, a=1)),
    (float, 3),
    (frozenset[UUID], frozenset({UUID(int=1)})),
    (deque[int], deque([1])),
]
"""Annotations, with values that come back."""

REFUSED: list[tuple[Any, object, str]] = [
    (Score, Score(value=inf), "the field 'value' is inf"),
    (list[Score], [Score(value=1.0), Score(value=nan)], "the field '1.value' is nan"),
    (dict[tuple[int, int], int], {(1, 2): 3}, "cannot be read back"),
    (dict[Mixed, int], {Mixed.ONE: 1, Mixed.TEXT: 2}, "come back"),
    (Hidden, Hidden(hidden=2), "the field 'hidden' is 2"),
    (Animal, Dog(name="Rex", tricks=2), "Dog"),
    (list[Animal], [Dog(name="Rex")], "the field '0'"),
    (Mapping[str, Animal], {"a": Dog(name="Rex")}, "the field 'a'"),
    (Animal | int, Dog(name="Rex"), "Dog"),
    (str | datetime, datetime(2024, 1, 1, tzinfo=UTC), "would come back"),
    (Sequence[int], (1, 2), "tuple"),
    (list[int] | tuple[int, ...], (1,), "tuple"),
    (deque[int], deque([1], maxlen=2), "deque"),
    (str | Decimal, Decimal("1.5"), "Decimal"),
    (int, True, "bool"),
    (str, Colour.RED, "Colour"),
    (int, Level.LOW, "Level"),
    (datetime, datetime(2025, 1, 1, fold=1), "fold=1"),  # noqa: DTZ001 -- the offset is missing on purpose
    (datetime, datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), "Amsterdam"),
    (time, time(1, tzinfo=ZoneInfo("Europe/Amsterdam")), "Amsterdam"),
    (Any, (1, 2), "would come back"),
    (Any, Decimal("1.0"), "Decimal"),
    (Any, {1: 2}, "would come back"),
    (Any, b"\xff", "bytes"),
    (Any, date(2024, 1, 1), "date"),
    (Any, SecretStr("x"), "reference to the secret"),
    (object, object(), "no JSON"),
    (int, 10**4999, "a value without a repr"),
    (str, "\ud800", "no JSON"),
    (str, "x" * (LARGEST + 1), "the limit is 8,000,000 bytes"),
]
"""Annotations, with values that do not come back, and a part of the error."""


@pytest.mark.parametrize(("annotation", "value"), EQUAL, ids=range(len(EQUAL)))
def test_a_value_comes_back(annotation: Any, value: object) -> None:
    """A value that JSON can express comes back with its class and representation."""
    round_trip: RoundTrip[Any] = RoundTrip(annotation)
    assert difference(value, round_trip.decode(round_trip.encode(value))) is None


@pytest.mark.parametrize(("annotation", "value", "found"), REFUSED, ids=range(len(REFUSED)))
def test_a_value_that_would_change_is_refused(annotation: Any, value: object, found: str) -> None:
    """A value that would come back changed, or not at all, is refused with its field."""
    round_trip: RoundTrip[Any] = RoundTrip(annotation)
    with pytest.raises(LossyError, match=found):
        round_trip.encode(value)


def test_a_value_that_is_nested_too_deep_is_refused() -> None:
    """A list that is nested deeper than JSON can be read is refused; one that can be read comes back."""
    round_trip: RoundTrip[Any] = RoundTrip(Any)
    for depth in (150, 300, 5000):
        nested: list[Any] = []
        for _ in range(depth):
            nested = [nested]
        if depth == 150:
            assert round_trip.decode(round_trip.encode(nested)) == nested
        else:
            with pytest.raises(LossyError):
                round_trip.encode(nested)


def test_defaults_are_written() -> None:
    """A value that is its default stays the same when a later release has another default."""
    text = RoundTrip[OldTariff](OldTariff).encode(OldTariff())
    assert RoundTrip[NewTariff](NewTariff).decode(text) == NewTariff(fee=NewFee(amount=1))


def test_private_attributes_must_come_back() -> None:
    """A private attribute that differs from its default would be lost."""
    changed = Hidden()
    changed._note = "important"
    with pytest.raises(LossyError, match="_note"):
        RoundTrip[Hidden](Hidden).encode(changed)


def test_aliases_are_read_where_other_applications_write() -> None:
    """Fields are written under their own names. With `read_aliases` they are also read under their aliases."""
    own: RoundTrip[Inner] = RoundTrip(Inner)
    foreign: RoundTrip[Inner] = RoundTrip(Inner, read_aliases=True)
    assert own.encode(Inner(theNumber=7)) == '{"number":7}'
    assert [foreign.decode(text).number for text in ('{"number":7}', '{"theNumber":7}')] == [7, 7]
    with pytest.raises(ValidationError):
        own.decode('{"theNumber":7}')


def test_a_part_without_validation_is_compared() -> None:
    """A value that was created without validation is stored only if it fits."""
    round_trip: RoundTrip[Animal] = RoundTrip(Animal)
    assert round_trip.encode(Animal.model_construct(name="a")) == '{"name":"a"}'
    for wrong in (Animal.model_construct(name=7), Animal.model_construct()):
        with pytest.raises(LossyError, match="name"):
            round_trip.encode(wrong)


class Plain(BaseModel):
    """Fields of the types that are recognised without decoding."""

    text: str
    number: int
    ratio: float
    flag: bool
    amount: Decimal
    id: UUID
    day: date
    at: datetime
    colour: Colour
    maybe: int | None
    points: tuple[Point, ...]
    names: list[str]
    by_name: dict[str, Plain2]


class Plain2(BaseModel):
    """A part of the model."""

    ids: frozenset[UUID]


Plain.model_rebuild()
PLAIN: RoundTrip[Plain] = RoundTrip(Plain)
_times = st.datetimes(timezones=st.one_of(st.none(), st.just(UTC), st.timezones()), allow_imaginary=True)


@settings(max_examples=200)
@given(
    st.builds(
        Plain,
        text=st.text(st.characters()),
        number=st.integers(),
        ratio=st.floats(),
        amount=st.decimals(allow_nan=False, allow_infinity=False),
        at=_times,
        points=st.lists(st.builds(Point, st.floats(), st.floats()), max_size=2).map(tuple),
        by_name=st.dictionaries(st.text(), st.builds(Plain2), max_size=2),
    )
)
def test_recognised_values_come_back(value: Plain) -> None:
    """A value comes back unchanged or is refused. A value that is recognised without decoding is never refused."""
    try:
        text = PLAIN.encode(value)
    except LossyError:
        assert _surrogates(value) or not PLAIN.comes_back(value, b"")
    else:
        assert difference(value, PLAIN.decode(text)) is None


class Flat(BaseModel):
    """A model of scalars whose types alone decide."""

    text: str
    number: int
    amount: Decimal | None
    colour: Colour = Colour.RED


FLAT: RoundTrip[Flat] = RoundTrip(Flat)


@settings(max_examples=200)
@given(
    st.builds(
        Flat.model_construct,
        text=st.one_of(st.text(), st.sampled_from([Colour.RED, 1, None])),
        number=st.one_of(st.integers(), st.booleans(), st.just(10**4400), st.floats()),
        amount=st.one_of(st.none(), st.decimals(), st.integers()),
        colour=st.sampled_from([Colour.RED, "red"]),
    )
)
def test_a_model_that_is_recognised_by_its_types_comes_back(value: Flat) -> None:
    """A model with values of any types, which was not validated, comes back as the same value, or it is refused."""
    try:
        text = FLAT.encode(value)
    except LossyError:
        return
    assert difference(value, FLAT.decode(text)) is None


def _surrogates(value: Plain) -> bool:
    texts = [value.text, *value.names, *value.by_name]
    return any("\ud800" <= character <= "\udfff" for text in texts for character in text)


_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.floats(),
        st.binary(),
        st.uuids(),
        st.datetimes(),
        st.decimals(),
        st.dates(),
        st.timedeltas(),
        st.sampled_from([*Mixed, Colour.RED, Level.LOW, Dog(name="a"), Point(1.0, 2.0), Path("a")]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.booleans()), inner, max_size=3),
    ),
    max_leaves=8,
)
ANY: list[RoundTrip[Any]] = [
    RoundTrip(Any),
    RoundTrip(str | int | float | datetime | list[Any] | dict[str, Any]),
    RoundTrip(Sequence[Any] | Mapping[Any, Any] | Decimal | None),
]


@settings(max_examples=200)
@given(value=_json, which=st.sampled_from(range(len(ANY))))
def test_any_value_comes_back_or_is_refused(value: Any, which: int) -> None:
    """The law: a value comes back as the same value, or it is refused."""
    try:
        text = ANY[which].encode(value)
    except LossyError:
        return
    assert difference(value, ANY[which].decode(text)) is None


class Rate(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def _checked(cls, amount: int) -> int:
        if amount < 0:
            raise ValueError("it is negative")
        return amount


class Rates(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by_token: dict[str, Rate] = {}
    by_number: dict[int, int] = {}
    listed: list[Rate] = []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"by_token": {"hunter2": {"amount": "x"}}}', "by_token.*.amount"),
        ('{"by_token": {"hunter2": {"amount": -1}}}', "by_token.*.amount"),
        ('{"by_token": {"hunter2": {}}}', "by_token.*.amount"),
        ('{"by_number": {"hunter2": 1}}', "by_number.*.[key]"),
        ('{"listed": [{"amount": 1}, {}]}', "listed.1.amount"),
        ('{"unknown": 1}', "unknown"),
    ],
)
def test_an_error_does_not_quote_a_key_of_a_mapping(text: str, path: str) -> None:
    """A key may be a secret, as a value may. The path of a field has an asterisk in place of it."""
    with pytest.raises(ValidationError) as caught:
        RoundTrip(Rates).decode(text)
    assert f"the field '{path}'" in misfits_without_values(caught.value)
    assert "hunter2" not in misfits_without_values(caught.value)


def test_an_error_of_another_kind_keeps_its_text() -> None:
    """A validator may raise an error of a kind of its own, also in a type with mappings."""

    def refuse(_: object) -> object:
        raise PydanticCustomError("own", "it is {what}", {"what": "wrong"})

    with pytest.raises(ValidationError, match=r"\*\n  it is wrong \[type=own"):
        RoundTrip(dict[str, Annotated[int, BeforeValidator(refuse)]]).decode('{"hunter2": 1}')
