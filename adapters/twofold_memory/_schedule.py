"""The schedule."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest

from twofold.ports import ScheduledCommand

from ._tables import GONE, SCHEDULE, Overlay, Tables


def unschedule(overlay: Overlay, tenant: str, id: str) -> bool:
    """Remove an entry; return whether there was one."""
    if overlay.get(SCHEDULE, (tenant, id)) is None:
        return False
    overlay.put(SCHEDULE, (tenant, id), GONE)
    return True


def change(overlay: Overlay, command: ScheduledCommand, to: object) -> bool:
    """Put something else in the place of this very entry; return whether it was there."""
    key = command.tenant, command.id
    found: ScheduledCommand | None = overlay.get(SCHEDULE, key)
    if found is None or found.entry != command.entry:
        return False
    overlay.put(SCHEDULE, key, to)
    return True


class InMemorySchedule:
    """What a store answers about its schedule outside of any transaction."""

    _tables: Tables

    async def scheduled(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return what is tried next."""
        waiting = [(each.again, each.tenant, each.id, each) for each in self._entries() if each.again is not None]
        return [each for *_, each in nsmallest(limit, waiting)]

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return what has failed too often."""
        failed = [(each.due, each.tenant, each.id, each) for each in self._entries() if each.again is None]
        return [each for *_, each in nsmallest(limit, failed)]

    def _entries(self) -> list[ScheduledCommand]:
        return [entry for _, entry in Overlay(self._tables, frozen=False).items(SCHEDULE)]
