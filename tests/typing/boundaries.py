"""The types of boundaries: a read is typed by the classes that are selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

from twofold import Boundary, Criteria, Envelope, Event, fold, select

from .domain import Paid, Placed


class Model:
    """A decision model."""


async def boundaries(boundary: Boundary) -> None:
    """Check the types of criteria, events, envelopes and decision models."""
    assert_type(select(Placed), Criteria[Placed])
    assert_type(select(Placed, Paid, number=1), Criteria[Placed | Paid])
    assert_type(select(number=1), Criteria[Event])
    assert_type(await boundary.read(select(Placed)), Sequence[Placed])
    assert_type(await boundary.read(select(Placed), select(Paid)), Sequence[Placed | Paid])
    assert_type(await boundary.envelopes(select(Placed)), Sequence[Envelope[Placed]])
    assert_type(fold(Model(), await boundary.read(select(Placed, Paid))), Model)
    select(int)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]
