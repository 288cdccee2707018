"""The schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from heapq import nsmallest

from twofold.ports import ScheduledCommand

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, SCHEDULE, Tables


class InMemoryScheduleReader:
    """A `ScheduleReader`.

    Args:
        tables: the committed data.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def next(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return entries in the order of their next attempt."""
        waiting = [(each.again, each.tenant, each.id, each) for each in self._entries() if each.again is not None]
        return [each for *_, each in nsmallest(limit, waiting)]

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return entries whose attempts all failed."""
        failed = [(each.due, each.tenant, each.id, each) for each in self._entries() if each.again is None]
        return [each for *_, each in nsmallest(limit, failed)]

    def _entries(self) -> list[ScheduledCommand]:
        return [entry for _, entry in Overlay(self._tables).items(SCHEDULE)]


class InMemoryScheduleWriter:
    """A `ScheduleWriter`."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def put(self, command: ScheduledCommand) -> None:
        """Store an entry."""
        overlay = await self._step.writing()
        overlay.put(SCHEDULE, (command.tenant, command.id), command)

    async def cancel(self, tenant: str, id: str) -> bool:
        """Delete an entry; return whether there was one."""
        overlay = await self._step.writing()
        if overlay.get(SCHEDULE, (tenant, id)) is None:
            return False
        overlay.put(SCHEDULE, (tenant, id), GONE)
        return True

    async def take(self, command: ScheduledCommand) -> bool:
        """Delete exactly this entry."""
        return await self._change(command, GONE)

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Set the next attempt of exactly this entry."""
        return await self._change(command, command._replace(again=again, attempts=attempts, reason=reason))

    async def _change(self, command: ScheduledCommand, to: object) -> bool:
        overlay, key = await self._step.writing(), (command.tenant, command.id)
        found: ScheduledCommand | None = overlay.get(SCHEDULE, key)
        if found is None or found.entry != command.entry:
            return False
        overlay.put(SCHEDULE, key, to)
        return True
