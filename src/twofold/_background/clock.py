"""The default clock and the default identifiers."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID

_VERSION_AND_VARIANT = 0x7000_8000_0000_0000_0000
_RANDOM_BITS = 0x0FFF_3FFF_FFFF_FFFF_FFFF


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        return datetime.now(UTC)


class UuidV7:
    """Create UUIDs of version 7: 48 bits of Unix milliseconds, 74 random bits (RFC 9562, section 5.7)."""

    def new(self) -> UUID:
        """Return a new UUIDv7."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10), "big")
        return UUID(int=milliseconds << 80 | random & _RANDOM_BITS | _VERSION_AND_VARIANT)
