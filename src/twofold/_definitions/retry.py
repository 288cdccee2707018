"""Options of subscriptions: where they start, when a projection is updated, and how a failing event is retried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._background.backoff import exponential
from .position import Position

Mode: TypeAlias = Literal["async", "inline"]
"""When a projection is updated: after the commit, by a subscription, or in the transaction of the command."""


Start: TypeAlias = Literal["beginning", "now"] | Position
"""Where a subscription starts when it runs for the first time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry a failing event with exponential backoff before it is parked. Events of other keys continue in the meantime.

    Attributes:
        attempts: the total number of attempts, at least 1.
        delay: the delay before the second attempt, in seconds. It doubles after each attempt.
        longest: the longest delay between two attempts, in seconds.
    """

    attempts: int = 5
    delay: float = 0.1
    longest: float = 30.0

    def delay_after(self, attempts: int) -> float | None:
        """Return the delay in seconds after this many failed attempts, or None after the last attempt."""
        if attempts >= self.attempts:
            return None
        return exponential(self.delay, self.longest, attempts - 1)
