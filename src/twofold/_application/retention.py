"""Forgetting what was remembered for long enough, a little at a time."""

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
"""Records that one transaction deletes at most."""

_RARELY: Final = 600.0
"""Seconds until old records are looked for again, at most."""


class Retention:
    """Deletes idempotency records and the notes of the inbox when they are old.

    Args:
        store: where they are.
        clock: says what is old.
    """

    def __init__(self, store: WriteStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def forget(self, older_than: timedelta) -> int:
        """Delete what is older, in transactions of at most 500 records; return how many there were."""
        before, forgotten = self._clock.now() - older_than, 0
        for records in (self._store.keys, self._store.inbox):
            gone = _BATCH
            while gone == _BATCH:
                gone = await records.delete(before=before, limit=_BATCH)
                forgotten += gone
                await anyio.lowlevel.checkpoint()  # others write in between
        return forgotten

    async def run(self, keep: timedelta) -> None:
        """Delete what is older than that now, and again and again."""
        pause = min(_RARELY, max(1.0, keep.total_seconds() / 10))
        while True:
            try:
                await self.forget(keep)
            except TransientFailure as error:
                logger.warning("old records are deleted later: %s", error)
            await anyio.sleep(pause)
