"""The time that decides whether something that a store holds is due."""

from __future__ import annotations

from datetime import datetime

from .._background.clock import SystemClock
from ..ports.clock import Clock
from ..ports.stores import ReadStore


async def time_of(store: ReadStore, clock: Clock) -> datetime:
    """Return the store's time, so that processes whose clocks differ agree on what is due.

    Args:
        store: the store that holds what may be due.
        clock: the application's clock. A clock other than the system's, such as that of a test, decides itself.
    """
    return await store.now() if isinstance(clock, SystemClock) else clock.now()
