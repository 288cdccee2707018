"""The problems of the schedule: commands that are stuck or overdue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..ports.schedule import ScheduledCommand
from .problems import Problem
from .timers import time_left

if TYPE_CHECKING:
    from .running import Running

_NAMED = 10
"""The maximum number of stuck scheduled commands that a probe names."""

_DECIDE = "Retry it with app.operations.retry_scheduled, or cancel it."


async def schedule_problems(running: Running, overdue: float | None) -> Sequence[Problem]:
    """Return the problems of the schedule.

    Args:
        running: the running application.
        overdue: how long a command may be overdue, in seconds; None for any time.
    """
    schedule = running.parts.write.schedule
    found = [_stuck(each) for each in await schedule.stuck(limit=_NAMED)]
    first = await schedule.next(limit=1)
    late = -time_left(first[0], await running.log.now(running.parts.write)) if first else 0.0
    if overdue is not None and late > overdue:
        found.append(
            Problem(
                "schedule_overdue",
                "warning",
                first[0].id,
                f"{first[0].name}, scheduled as {first[0].id!r}, is overdue by {late:.0f} s",
                "Check that a process with Application(work=True) runs and is not overloaded.",
            )
        )
    return found


def _stuck(command: ScheduledCommand) -> Problem:
    what = f"{command.name}, scheduled as {command.id!r}, "
    if command.attempts:
        text = f"{what}failed {command.attempts} time(s): {command.reason}"
    else:
        text = f"{what}is never due: its stored time cannot be read"
    return Problem("schedule_stuck", "warning", command.id, text, _DECIDE)
