"""When a subscription begins, when a projection runs, and how failing events are retried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._background.backoff import exponential
from .position import Position

Mode: TypeAlias = Literal["async", "inline"]
"""When a projection is applied: by its subscription after the commit, or in the command's own transaction."""


Start: TypeAlias = Literal["beginning", "now"] | Position
"""Where a subscription begins when it runs for the first time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing event handler is tried before its event is parked. In between other keys go on.

    Attributes:
        attempts: tries in all, at least 1.
        delay: seconds before the second try; doubled each time.
        longest: the longest delay between two tries, in seconds.
    """

    attempts: int = 5
    delay: float = 0.1
    longest: float = 30.0

    def delay_after(self, attempts: int) -> float | None:
        """Return the seconds to wait after so many tries that failed, None when there is no further one."""
        if attempts >= self.attempts:
            return None
        return exponential(self.delay, self.longest, attempts - 1)
