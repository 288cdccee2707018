"""Views with a field of each type, rows of them, and the values that a client may send for any field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from twofold import View
from twofold.testing.conformance._domain.row_samples import Level, Mixed

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


class Colour(Enum):
    """An enum of texts whose names sort otherwise than their values."""

    RED = "b"
    BLUE = "a"


class Size(StrEnum):
    """An enum whose members are texts."""

    SMALL = "s"
    LARGE = "l"


class Numbers(View, name="hostile_numbers", key="id", indexes=["value"]):
    id: int
    value: int
    maybe: int | None


class Texts(View, name="hostile_texts", key="id", indexes=["value"]):
    id: str
    value: str
    maybe: str | None


class Floats(View, name="hostile_floats", key="id", indexes=["value"]):
    id: float
    value: float
    maybe: float | None


class Flags(View, name="hostile_flags", key="id", indexes=["value"]):
    id: bool
    value: bool
    maybe: bool | None


class Decimals(View, name="hostile_decimals", key="id", indexes=["value"]):
    id: str
    value: Decimal
    maybe: Decimal | None


class Times(View, name="hostile_times", key="id", indexes=["value"]):
    id: datetime
    value: datetime
    maybe: datetime | None


class Days(View, name="hostile_days", key="id", indexes=["value"]):
    id: date
    value: date
    maybe: date | None


class Uuids(View, name="hostile_uuids", key="id", indexes=["value"]):
    id: UUID
    value: UUID
    maybe: UUID | None


class Colours(View, name="hostile_colours", key="id", indexes=["value"]):
    id: Colour
    value: Colour
    maybe: Colour | None


class Sizes(View, name="hostile_sizes", key="id", indexes=["value"]):
    id: Size
    value: Size
    maybe: Size | None


class Levels(View, name="hostile_levels", key="id", indexes=["value"]):
    id: Level
    value: Level
    maybe: Level | None


class Mixtures(View, name="hostile_mixtures", key="id", indexes=["value"]):
    id: Mixed
    value: Mixed
    maybe: Mixed | None


SAMPLES: Mapping[type[View], tuple[Any, ...]] = {
    Numbers: (0, 1, -1, 7, 2**63 - 1, -(2**63)),
    Texts: ("", "1", "a", "b", "B", "ä", "😀", "None", "a ", "x" * 380),
    Floats: (0.0, 1.0, 0.1, -2.5, 1e308, 5e-324),
    Flags: (True, False),
    Decimals: (Decimal("1.5"), Decimal(0), Decimal("2.50"), Decimal(-3), Decimal("0.1000000000000000000001")),
    Times: (
        NOON,
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN).astimezone(UTC),
        datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN).astimezone(UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    ),
    Days: (date(1, 1, 1), date(2024, 1, 1), date(2024, 6, 1), date(9999, 12, 31)),
    Uuids: (UUID(int=1), UUID(int=2**128 - 1), UUID("0188d0e2-7b1c-7f00-8000-00000000002a")),
    Colours: tuple(Colour),
    Sizes: tuple(Size),
    Levels: tuple(Level),
    Mixtures: tuple(Mixed),
}
"""For each view the values of its fields, one row each."""


def rows_of(view: type[View]) -> list[View]:
    """Return the rows of a view. `maybe` is None in every second row."""
    samples = SAMPLES[view]
    keys = [f"k{number}" for number in range(len(samples))] if view is Decimals else samples
    return [
        view.model_validate({"id": key, "value": value, "maybe": None if number % 2 else value})
        for number, (key, value) in enumerate(zip(keys, samples, strict=True))
    ]


class Broken:
    """A value whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


HOSTILE: tuple[Any, ...] = (
    None,
    *(True, False, 0, 1, 7, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**70, 10**400),
    *(0.0, -0.0, 1.0, 1.5, 0.1, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *(Decimal(1), Decimal("1.50"), Decimal("0.1"), Decimal("-0"), Decimal("1E+3"), Decimal("0.1000000000000000000002")),
    *(Decimal("1e400"), Decimal("1e9999999"), Decimal("1e-9999999"), Decimal("9" * 60)),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("0." + "1" * 31)),
    *("", "1", "1.5", "1_0", " 1 ", "True", "nan", "Infinity", "1e400", "9" * 5000, "9223372036854775808", "None"),
    *("a", "B", "ä", "😀", "a ", "a\0b", "\0", "a\ud800", "\udfff", "\ud83d\ude00", "\uffff", "x" * 380, "x" * 381),
    *("x" * 70_000, "x" * 1_100_000, "%", "' OR 1=1 --", "{0}", "\u2028"),
    *(b"1", b"a", b"\xff", bytearray(b"a")),
    *("b", "s", "x", "RED", "SMALL", Colour.RED, Size.SMALL, Level.LOW, Mixed.TEXT, Mixed.NUMBER, Mixed.HALF),
    *(str(UUID(int=1)), UUID(int=1).hex, f"{{{UUID(int=1)}}}", f"urn:uuid:{UUID(int=1)}", UUID(int=1)),
    *("0188D0E2-7B1C-7F00-8000-00000000002A", UUID(int=1).bytes),
    *(date(2024, 1, 1), date(1, 1, 1), date(9999, 12, 31), "2024-01-01", "2024-02-30", "0001-01-01", "10000-01-01"),
    *(NOON, NOON.replace(tzinfo=None), NOON.astimezone(BERLIN), NOON.isoformat(), "2024-06-01T12:00:00"),
    *("2024-06-01T14:00:00+02:00", "2024-06-01T12:00:00.000000001Z", 1717243200, 1717243200.5, 10**15, -(10**11)),
    *(datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1)),
    *(datetime(2024, 3, 31, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1)),
    *(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=hours))) for hours in (-14, 0, 14)),
    *(datetime(9999, 12, 31, 23, 59, 59, 999999, timezone(timedelta(hours=hours))) for hours in (-14, 0, 14)),
    *(datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), datetime(2024, 1, 1, tzinfo=UTC)),
    *(timedelta(1), [], [1], (), (1,), {}, {"a": 1}, {1}, object, Broken(), 1j),
)
"""Values that a client may send in place of any value."""
