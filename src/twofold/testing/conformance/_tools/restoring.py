"""Backups of the event log, which a suite takes and restores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

from twofold.ports import WriteStore

from .beside import Beside
from .opened import NewStore

Restore: TypeAlias = Callable[[], Awaitable[None]]
"""Lets the log of a store lose all events since a backup was taken, and assign their positions again."""

TakeBackup: TypeAlias = Callable[[WriteStore], Awaitable[Restore]]
"""Takes a backup of the log of a store, and returns what restores it while applications may be running."""


@asynccontextmanager
async def apart(new_store: NewStore) -> AsyncIterator[WriteStore]:
    """Open a write store with a read store beside it, so that the read store loses nothing with the log."""
    async with new_store([]) as one:
        if hasattr(one, "write_store"):
            yield one
            return
        async with new_store([]) as two:
            yield cast(WriteStore, Beside(one, two))
