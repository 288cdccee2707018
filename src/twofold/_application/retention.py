"""Retention: old idempotency keys, inbox entries and ended processes are deleted in small batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import anyio
import anyio.lowlevel

from .._background.failures import STORE_FAILURES
from .._background.log_lines import logger_of
from ..ports.clock import Clock
from ..ports.stores import WriteStore

logger = logger_of("twofold.retention")

_BATCH: Final = 500
"""The most records that one transaction deletes."""

_RARELY: Final = 600.0
"""The longest time between two deletions, in seconds."""


async def delete_records(store: WriteStore, clock: Clock, older_than: timedelta) -> int:
    """Delete older records in transactions of at most 500; return their number.

    Args:
        store: the store of the records.
        clock: decides which records are old.
        older_than: the minimum age of a deleted record.
    """
    before, total = clock.now() - older_than, 0
    for records in (store.keys, store.inbox, store.processes):
        deleted = _BATCH
        while deleted == _BATCH:
            deleted = await records.delete(before=before, limit=_BATCH)
            total += deleted
            await anyio.lowlevel.checkpoint()  # lets other tasks run between two transactions
    return total


async def keep_deleting(store: WriteStore, clock: Clock, older_than: timedelta) -> None:
    """Delete older records now and then periodically, until cancelled."""
    pause = min(_RARELY, max(1.0, older_than.total_seconds() / 10))
    while True:
        try:
            await delete_records(store, clock, older_than)
        except STORE_FAILURES as error:
            logger.warning("Old records are deleted later: %s", error)
        await anyio.sleep(pause)
