"""The types of histories: an aggregate, and events by the classes that are selected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_type

from twofold import Envelope, Event, History, select

from .domain import Paid, Placed, Thing


class Model:
    """A decision model."""


async def histories(history: History) -> None:
    """Check the types of aggregates, envelopes and decision models."""
    now = datetime.now(UTC)
    assert_type(await history.aggregate(Thing, 1, as_of=now), Thing | None)
    assert_type(await history.stream(Thing, "1", version=2), Sequence[Envelope[Event]])
    assert_type(await history.envelopes(select(Placed), as_of=3), Sequence[Envelope[Placed]])
    assert_type(await history.envelopes(select(Placed), select(Paid)), Sequence[Envelope[Placed | Paid]])
    assert_type(await history.fold(Model(), select(Placed, Paid)), Model)
    await history.aggregate(Thing, 1, as_of="now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
