"""Records of what was done once: idempotency keys and the inbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from heapq import nsmallest
from typing import TYPE_CHECKING

from twofold.ports import KeyRecord

from ._tables import GONE, INBOX, KEYS, Overlay

if TYPE_CHECKING:
    from ._transaction import InMemoryTransaction


def claim_key(overlay: Overlay, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
    """Write a record where there is none, or return the one that is there."""
    found: KeyRecord | None = overlay.get(KEYS, (tenant, key))
    if found is None:
        overlay.put(KEYS, (tenant, key), record)
    return found


def answer_key(overlay: Overlay, tenant: str, key: str, result: str, token: str) -> None:
    """Write result and token into a record."""
    record: KeyRecord = overlay.get(KEYS, (tenant, key))
    overlay.put(KEYS, (tenant, key), record._replace(result=result, token=token))


def claim_message(overlay: Overlay, consumer: str, id: str, time: datetime) -> bool:
    """Note a message, or return False when it is noted already."""
    if overlay.get(INBOX, (consumer, id)) is not None:
        return False
    overlay.put(INBOX, (consumer, id), time)
    return True


class InMemoryRecords:
    """What a store does with old records outside of any other transaction."""

    _begin: Callable[[], Awaitable[InMemoryTransaction]]

    async def forget_keys(self, *, before: datetime, limit: int) -> int:
        """Delete old records of keys."""
        async with await self._begin() as overlay:
            return _forget(overlay, KEYS, [(record.time, key) for key, record in overlay.items(KEYS)], before, limit)

    async def forget_messages(self, *, before: datetime, limit: int) -> int:
        """Delete old notes of messages."""
        async with await self._begin() as overlay:
            return _forget(overlay, INBOX, [(time, key) for key, time in overlay.items(INBOX)], before, limit)


def _forget(
    overlay: Overlay, table: str, found: list[tuple[datetime, tuple[str, str]]], before: datetime, limit: int
) -> int:
    old = nsmallest(limit, ((time, key) for time, key in found if time < before))
    for _, key in old:
        overlay.put(table, key, GONE)
    return len(old)
