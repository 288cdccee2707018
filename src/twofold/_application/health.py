"""Whether an application does what it should, for probes and for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._subscriptions.status import SubscriptionStatus
from ..ports.schedule import ScheduledCommand


@dataclass(frozen=True, slots=True)
class Health:
    """How an application is doing at the moment.

    Attributes:
        problems: what is wrong, each in a sentence; empty when nothing is.
        subscriptions: every projection and reaction; empty when a store does not answer.
        holding_back: the transactions that readers of the log wait for, in words. One of them for a moment is no problem.
    """

    problems: tuple[str, ...]
    subscriptions: tuple[SubscriptionStatus, ...]
    holding_back: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def health(
    found: Sequence[SubscriptionStatus],
    nobody: Sequence[str],
    stuck: Sequence[ScheduledCommand],
    ended: Sequence[BaseException],
    holding_back: Sequence[str],
    outside: Iterable[str],
) -> Health:
    """Return what a probe should know.

    An event that is being retried is no problem: it succeeds, or it is parked and then is one.

    Args:
        found: the subscriptions.
        nobody: those that no process runs, or not all segments of them.
        stuck: scheduled commands that failed too often.
        ended: what background work ended with that should have gone on.
        holding_back: the transactions that readers wait for.
        outside: what is wrong between this application and others, in sentences.
    """
    problems = [f"{each.name} fails: {each.error}" for each in found if each.state == "failing"]
    problems += [
        f"{each.name} has parked {each.parked} event(s): retry or discard them" for each in found if each.parked
    ]
    problems += [f"nobody runs {name}: start a worker" for name in nobody]
    problems += [
        f"{each.name}, scheduled as {each.id!r}, failed {each.attempts} time(s): {each.reason}. Try it again, or cancel it"
        for each in stuck
    ]
    problems += outside
    problems += [f"background work ended by {type(each).__name__}: {each}. Restart this process" for each in ended]
    return Health(tuple(problems), tuple(found), tuple(holding_back))
