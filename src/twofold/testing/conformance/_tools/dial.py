"""A clock under the control of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Dial:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.time = datetime(2024, 5, 17, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time

    def after(self, seconds: float) -> datetime:
        """Return the time `seconds` from now."""
        return self.time + timedelta(seconds=seconds)
