"""The command of `twofold` that helps with a problem, for people who have no Python session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from shlex import quote
from typing import Final

_ADVICE: Final[Mapping[str, Callable[[str], str]]] = {
    "no_worker": lambda _: "Run `twofold worker`.",
    "parked": lambda name: f"Run `twofold parked list {name}` for the reasons. Retry or discard the events.",
    "messages_parked": lambda name: (
        f"Run `twofold messages list {name}` for the reasons. Retry or discard the messages."
    ),
    "source_lost_events": lambda name: (
        f"Run `twofold lost {name}` for the events, and compensate for them where needed. Then run "
        f"`twofold lost {name} --accept`."
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
    "process_stuck": lambda name: f"Correct the cause, and run `twofold processes retry {name} KEY`.",
    "schedule_stuck": lambda name: f"Run `twofold scheduled retry {name}`, or cancel the command.",
    "schedule_overdue": lambda _: "Check that `twofold worker` runs and is not overloaded.",
    "projection_changed": lambda name: f"Run `twofold rebuild {name}` with this release, or stop this release.",
}
"""The advice by the code of a problem, with the subject as a shell writes it. Other problems keep their advice."""


def commands_for(code: str, subject: str) -> str | None:
    """Return the advice for a problem with commands of `twofold` between backticks; None if no command helps."""
    advice = _ADVICE.get(code)
    return None if advice is None else advice(quote(subject))
