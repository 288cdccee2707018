"""Idempotency keys, the inbox, and the deletion of old records of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import nsmallest
from typing import Any

from twofold.ports import KeyRecord

from ._overlay import changing
from ._step import Step
from ._tables import GONE, INBOX, KEYS, Tables


class InMemoryKeys:
    """The `IdempotencyKeys` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def claim(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Store a record, or return the record that is stored already."""
        overlay = await self._step.writing()
        found: KeyRecord | None = overlay.get(KEYS, (tenant, key))
        if found is None:
            overlay.put(KEYS, (tenant, key), record)
        return found

    async def answer(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Store result and token in a record."""
        overlay = await self._step.writing()
        record: KeyRecord = overlay.get(KEYS, (tenant, key))
        overlay.put(KEYS, (tenant, key), record._replace(result=result, token=token))


class InMemoryInbox:
    """The `Inbox` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def claim(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Record a message; return False if it is already recorded."""
        overlay = await self._step.writing()
        if overlay.get(INBOX, (consumer, id)) is not None:
            return False
        overlay.put(INBOX, (consumer, id), time)
        return True


class InMemoryRetention:
    """A `Retention`.

    Args:
        tables: the committed data.
        table: the table of the records.
        time_of: returns the time of a record.
    """

    def __init__(self, tables: Tables, table: str, time_of: Callable[[Any], datetime]) -> None:
        self._tables = tables
        self._table = table
        self._time_of = time_of

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete the oldest records."""
        async with changing(self._tables) as overlay:
            found = ((self._time_of(record), key) for key, record in overlay.items(self._table))
            old = nsmallest(limit, ((time, key) for time, key in found if time < before))
            for _, key in old:
                overlay.put(self._table, key, GONE)
        return len(old)
