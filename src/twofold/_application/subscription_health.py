"""The problems of subscriptions: failures, lags, parked events, and missing workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._definitions.thresholds import Thresholds
from .._subscriptions.status import SubscriptionStatus
from ..ports.subscription_store import Pause
from .problems import Problem, ProblemCode

_CODES: dict[str, ProblemCode] = {"EventsLost": "events_lost", "ProjectionChanged": "projection_changed"}
"""The codes of failures that have one of their own, by the class of the error."""


def subscription_problems(
    statuses: Sequence[SubscriptionStatus], thresholds: Thresholds, *, works: bool
) -> Iterator[Problem]:
    """Yield the problems of subscriptions.

    Args:
        statuses: the statuses.
        thresholds: from when on a lag or a number of parked events is a problem.
        works: whether this process runs subscriptions. Then it claims free partitions itself.
    """
    for each in statuses:
        if each.state == "failing":
            code = _CODES.get(each.error.partition(":")[0], "failing")
            yield Problem(code, "critical", each.name, f"{each.name} fails: {each.error}", _ADVICE[code])
        if not works and each.state not in ("inline", "paused") and not each.covered:
            yield Problem(
                "no_worker",
                "critical",
                each.name,
                f"no worker runs {each.name}",
                "Start a process with Application(work=True).",
            )
        yield from _lags(each, thresholds.for_subscription(each.name))


_ADVICE: dict[ProblemCode, str] = {
    "failing": "The failure is retried. Correct its cause; the log of the process has the traceback.",
    "events_lost": "Do what the error says, once the log has the events that it should have.",
    "projection_changed": "Rebuild the projection with this release, or stop this release.",
}


def _lags(status: SubscriptionStatus, limits: Thresholds) -> Iterator[Problem]:
    """Yield what exceeds a threshold. A paused subscription may lag."""
    name, paused = status.name, status.state == "paused"
    if not paused and limits.lag is not None and (status.lag_seconds or 0.0) > limits.lag:
        yield Problem(
            "lag",
            "warning",
            name,
            f"{name} lags by {status.lag_seconds:.0f} s and {status.lag} event(s), more than {limits.lag:g} s",
            "Check whether its worker keeps up, fails or is missing. More partitions share the load.",
        )
    if not paused and limits.backlog is not None and status.lag > limits.backlog:
        yield Problem(
            "backlog",
            "warning",
            name,
            f"{name} lags by {status.lag} event(s), more than {limits.backlog}",
            "Check whether its worker keeps up, fails or is missing. More partitions share the load.",
        )
    if limits.parked is not None and status.parked > limits.parked:
        yield Problem(
            "parked",
            "warning",
            name,
            f"{name} has parked {status.parked} event(s)",
            f"app.operations.parked({name!r}) names the reasons. Retry or discard them.",
        )


def note_of(subscription: str, pause: Pause) -> Problem:
    """Return the note about a paused subscription."""
    advice = f"Resume it with app.operations.resume({subscription!r})."
    return Problem("paused", "note", subscription, f"{subscription} is paused {pause.text}", advice)
