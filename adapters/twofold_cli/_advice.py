"""What to run for a problem: the advice of a problem names Python calls, and here its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from shlex import quote
from typing import Final

from twofold import Problem

_ADVICE: Final[Mapping[str, Callable[[str], str]]] = {
    "no_worker": lambda _: "Run `twofold worker`.",
    "parked": lambda name: f"Run `twofold parked list {name}` for the reasons. Retry or discard the events.",
    "messages_parked": lambda name: (
        f"Run `twofold messages list {name}` for the reasons. Retry or discard the messages."
    ),
    "events_lost": lambda name: (
        f"If no better copy of the log exists, run `twofold realign` for projections, or `twofold replay {name} --after "
        "POSITION` for an event handler or a relay, with the last position whose event was processed."
    ),
    "broker_lost_events": lambda _: (
        "Run `twofold replay NAME --after POSITION` with the relay, and the last position before that one whose event the "
        "log has, as `twofold events` shows."
    ),
    "unreadable_row": lambda _: "Run `twofold rebuild NAME` with the projection of the view.",
    "paused": lambda name: f"Resume it with `twofold resume {name}`.",
    "schedule_stuck": lambda name: f"Run `twofold scheduled retry {name}`, or cancel the command.",
    "schedule_overdue": lambda _: "Check that `twofold worker` runs and is not overloaded.",
    "projection_changed": lambda name: f"Run `twofold rebuild {name}` with this release, or stop this release.",
}
"""The advice by the code of a problem, with the subject as a shell writes it. Other problems keep their advice."""


def in_words(problem: Problem) -> str:
    """Return a problem with the command that helps."""
    advice = _ADVICE.get(problem.code)
    return str(problem) if advice is None else f"{problem.sentence} {advice(quote(problem.subject))}"
