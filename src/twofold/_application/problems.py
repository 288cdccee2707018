"""The problems and notes that health reports, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .problem_commands import commands_for

ProblemCode: TypeAlias = Literal[
    "store_unavailable",
    "store_failed",
    "failing",
    "events_lost",
    "projection_changed",
    "readers_blocked",
    "no_worker",
    "lag",
    "backlog",
    "parked",
    "paused",
    "process_stuck",
    "schedule_stuck",
    "schedule_overdue",
    "unreadable_row",
    "cache_unavailable",
    "broker_unavailable",
    "broker_lost_events",
    "receiver_failed",
    "source_lost_events",
    "messages_parked",
    "requests_unavailable",
    "notifier_unavailable",
    "task_failed",
]
"""The codes of problems and notes. They do not change between releases, so that alerts can name them."""

Severity: TypeAlias = Literal["critical", "warning", "note"]
"""How urgent a problem is. "critical": something does not work. "warning": something is late, or an operator has to decide.
"note": what an operator has decided."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of a health probe. Its `str` is the text with the advice.

    Attributes:
        code: what kind of problem it is, for alerts.
        severity: "critical", "warning" or "note".
        subject: the subscription, scheduled command, view or consumer that it concerns; empty if none.
        text: what was found.
        advice: what to do, as sentences. It names calls of Python.
    """

    code: ProblemCode
    severity: Severity
    subject: str
    text: str
    advice: str

    @property
    def sentence(self) -> str:
        """The text with a full stop. The text of an error at its end may have one."""
        return f"{self.text.removesuffix('.')}."

    @property
    def command_advice(self) -> str:
        """What to do, as sentences that name commands of `twofold` between backticks instead of calls of Python."""
        found = commands_for(self.code, self.subject)
        return self.advice if found is None else found

    def __str__(self) -> str:
        return f"{self.sentence} {self.advice}"
