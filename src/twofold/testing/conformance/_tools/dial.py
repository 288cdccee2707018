"""Clocks under the control of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twofold._background.clock import SystemClock


class Dial:
    """A clock that stands still until a test sets it."""

    def __init__(self) -> None:
        self.time = datetime(2024, 5, 17, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time

    def after(self, seconds: float) -> datetime:
        """Return the time `seconds` from now."""
        return self.time + timedelta(seconds=seconds)


class WrongClock(SystemClock):
    """The system clock of a machine whose time is wrong.

    Args:
        ahead: how far the clock is ahead; negative if it is behind.
    """

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Return the wrong time."""
        return super().now() + self._ahead
