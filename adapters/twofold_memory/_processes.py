"""Processes."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import nsmallest

from twofold.ports import ProcessRecord, ProcessState

from ._overlay import Overlay, changing
from ._step import Step
from ._tables import GONE, PROCESSES, Tables

_ENDED = ("completed", "failed")


class InMemoryProcessReader:
    """A `ProcessReader`.

    Args:
        tables: the committed data.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, process: str, key: str) -> ProcessRecord | None:
        """Return the last incarnation of a key, or None."""
        found: ProcessRecord | None = Overlay(self._tables).get(PROCESSES, (process, key))
        return found

    async def list(
        self,
        *,
        process: str | None = None,
        state: ProcessState | None = None,
        after: tuple[str, str] | None = None,
        limit: int,
    ) -> Sequence[ProcessRecord]:
        """Return processes in the order of their names and keys."""
        found = (
            (each.process, each.key, each)
            for each in self._records()
            if process in (None, each.process) and state in (None, each.state)
        )
        return [each for *_, each in nsmallest(limit, (one for one in found if after is None or one[:2] > after))]

    async def counts(self) -> Mapping[tuple[str, ProcessState], int]:
        """Return the number of processes by name and state."""
        return Counter((each.process, each.state) for each in self._records())

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete ended processes."""
        async with changing(self._tables) as overlay:
            ended = ((key, each) for key, each in overlay.items(PROCESSES) if each.state in _ENDED)
            old = nsmallest(limit, ((each.time, key) for key, each in ended if each.time < before))
            for _, key in old:
                overlay.put(PROCESSES, key, GONE)
        return len(old)

    def _records(self) -> builtins.list[ProcessRecord]:
        return [record for _, record in Overlay(self._tables).items(PROCESSES)]


class InMemoryProcessWriter:
    """A `ProcessWriter`."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def read(self, process: str, keys: Sequence[str]) -> Mapping[str, ProcessRecord]:
        """Return the last incarnations of keys."""
        overlay = self._step.reading()
        found = {key: overlay.get(PROCESSES, (process, key)) for key in keys}
        return {key: record for key, record in found.items() if record is not None}

    async def write(self, records: Sequence[ProcessRecord]) -> None:
        """Store processes."""
        overlay = await self._step.writing()
        for each in records:
            overlay.put(PROCESSES, (each.process, each.key), each)
