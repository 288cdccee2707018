"""The outcomes of durable steps."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from twofold.ports import StepRecord

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, STEPS, Tables


class InMemoryStepReader:
    """A `StepReader`.

    Args:
        tables: the committed data.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def read(self, owner: str, input: UUID) -> Sequence[StepRecord]:
        """Return the records of an input."""
        return _of(Overlay(self._tables), owner, input)


class InMemorySteps:
    """The `StepResults` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def begin(self, record: StepRecord) -> StepRecord | None:
        """Store a record without an outcome, unless there is a record of the step."""
        overlay = await self._step.writing()
        found: StepRecord | None = overlay.get(STEPS, record[:3])
        if found is None:
            overlay.put(STEPS, record[:3], record)
        return found

    async def keep(self, record: StepRecord) -> StepRecord:
        """Store an outcome, unless one is stored."""
        overlay = await self._step.writing()
        found: StepRecord | None = overlay.get(STEPS, record[:3])
        if found is not None and found.outcome is not None:
            return found
        overlay.put(STEPS, record[:3], record)
        return record

    async def delete(self, owner: str, input: UUID, name: str | None = None) -> int:
        """Delete the record of a step, or all records of an input."""
        overlay = await self._step.writing()
        found = [each for each in _of(overlay, owner, input) if name in (None, each.name)]
        for each in found:
            overlay.put(STEPS, each[:3], GONE)
        return len(found)


def _of(overlay: Overlay, owner: str, input: UUID) -> list[StepRecord]:
    return sorted(record for (*key, _), record in overlay.items(STEPS) if key == [owner, input])
