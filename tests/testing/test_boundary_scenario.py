"""Given, when, then for handlers that decide by a boundary."""

from __future__ import annotations

import pytest

from twofold.testing import Scenario
from twofold.testing.conformance._domain.courses import CourseFull, SeatReleased, SeatTaken, TakeSeat, application
from twofold_memory import InMemory

pytestmark = pytest.mark.anyio


def seat(student: str) -> SeatTaken:
    """Return the event of a taken seat."""
    return SeatTaken(course_id="c1", student_id=student)


async def test_a_decision_by_past_events() -> None:
    """Given events decide, and the outcome has the event that the handler appended."""
    async with Scenario(application(InMemory())) as scenario:
        await scenario.given(seat("s1"), seat("s2"), SeatReleased(course_id="c1", student_id="s1"))
        outcome = await scenario.when(TakeSeat(course_id="c1", student_id="s3"))
        outcome.then_events(seat("s3"))
        outcome.then_returns(2)


async def test_a_refused_decision() -> None:
    """A refusal appends nothing."""
    async with Scenario(application(InMemory())) as scenario:
        await scenario.given(seat("s1"), seat("s2"))
        (await scenario.when(TakeSeat(course_id="c1", student_id="s3"))).then_raises(CourseFull)
