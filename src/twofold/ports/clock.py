"""The time, and identifiers made from it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Return the current time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...


class Ids(Protocol):
    """Make identifiers of envelopes and events."""

    def new(self) -> UUID:
        """Return an identifier that was never returned before, by this process or another one.

        Identifiers made later sort after those made earlier, to the millisecond (UUIDv7, RFC 9562).
        """
        ...
