"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime


class Dial:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.time = datetime(2024, 5, 17, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time
