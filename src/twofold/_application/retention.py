"""Retention: old idempotency keys and inbox entries are deleted in small batches."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

import anyio
import anyio.lowlevel

from ..errors import TransientFailure
from ..ports.clock import Clock
from ..ports.stores import WriteStore

logger = logging.getLogger("twofold.retention")

_BATCH: Final = 500
"""The most records that one transaction deletes."""

_RARELY: Final = 600.0
"""The longest time between two deletions, in seconds."""


class Retention:
    """Deletes old idempotency keys and inbox entries.

    Args:
        store: the store of the records.
        clock: decides which records are old.
    """

    def __init__(self, store: WriteStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def forget(self, older_than: timedelta) -> int:
        """Delete older records in transactions of at most 500; return their number."""
        before, forgotten = self._clock.now() - older_than, 0
        for records in (self._store.keys, self._store.inbox):
            gone = _BATCH
            while gone == _BATCH:
                gone = await records.delete(before=before, limit=_BATCH)
                forgotten += gone
                await anyio.lowlevel.checkpoint()  # lets other tasks run between two transactions
        return forgotten

    async def run(self, keep: timedelta) -> None:
        """Delete records older than `keep` now and then periodically, until cancelled."""
        pause = min(_RARELY, max(1.0, keep.total_seconds() / 10))
        while True:
            try:
                await self.forget(keep)
            except TransientFailure as error:
                logger.warning("Old records are deleted later: %s", error)
            await anyio.sleep(pause)
