"""Values that clients send for the fields of a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from twofold._reading.comparisons import any_of, gt, one_of

from .row_samples import Colour, Level

EAST = timezone(timedelta(hours=14))
EQUAL: Mapping[str, tuple[Any, ...]] = {
    "rank": (0, "0", 0.0, Decimal("0.00"), False, -0.0),
    "weight": (0, "0", Decimal(0), False, -0.0),
    "cost": (0, "0.00", 0.0, Decimal("-0.0")),
    "due": (datetime(2024, 1, 1, 14, tzinfo=EAST), "2024-01-01T02:00:00+02:00", 1704067200),
    "day": ("2024-01-01", datetime(2024, 1, 1, tzinfo=EAST)),
    "owner": (str(UUID(int=0)), UUID(int=0).hex, UUID(int=0).bytes),
    "colour": ("red", Colour.RED),
    "level": (1, "1", True, 1.0, Level.LOW),
    "done": (0, "false", "off", 0.0),
}
"""For each field of `Task`: values that a client may send for the default value."""

REFUSED: Mapping[str, tuple[Any, ...]] = {
    "rank": (2**63, 10**400, 0.5, "0.5", "", float("nan"), Decimal("NaN"), Decimal("1E+999999"), b"\xff", [0]),
    "weight": (float("nan"), float("inf"), "nan", "-Infinity", 2**53 + 1, 10**400),
    "cost": ("NaN", Decimal("sNaN"), Decimal("Infinity"), "1e35", "1e-31", "9" * 5000),
    "due": (datetime(2024, 1, 1), "2024-01-01T00:00:00", datetime(1, 1, 1, tzinfo=EAST), "now"),  # noqa: DTZ001
    "day": (datetime(2024, 1, 1, 1, tzinfo=UTC), "2024-02-30", "0000-01-01"),
    "owner": ("0", 0, b"0"),
    "colour": ("RED", "", 0),
    "level": (0, "LOW", 2**70),
    "done": (2, "", "maybe"),
    "team": (0, "\0", "\ud800", "x" * 381),
    "id": (one_of(map(str, range(50_000))), any_of(*(gt(str(number)) for number in range(101)))),
}
"""For each field of `Task`: values that no store accepts, or that do not fit the field."""
