"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..errors import ConfigurationError


class ManualClock:
    """A clock that stands still until a test moves it: `Application(..., clock=ManualClock())`.

    Args:
        start: the first time, aware; by default noon on 1 January 2026, UTC.

    Raises:
        ConfigurationError: the time has no time zone.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self.set(start)

    def now(self) -> datetime:
        """Return the current time of this clock, in UTC."""
        return self._now

    def set(self, time: datetime) -> None:
        """Set the time, also to an earlier one.

        Raises:
            ConfigurationError: the time has no time zone.
        """
        if time.tzinfo is None:
            raise ConfigurationError(f"ManualClock: {time!r} has no time zone. Pass an aware time, such as tzinfo=UTC.")
        self._now = time.astimezone(UTC)

    def advance(self, duration: timedelta) -> None:
        """Move the time forward. Nothing is dispatched; `Scenario.advance` also dispatches what is due."""
        self.set(self._now + duration)
