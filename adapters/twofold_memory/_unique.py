"""Unique values."""

from __future__ import annotations

from twofold.ports import UniqueValue

from ._step import Step
from ._tables import GONE, UNIQUE


class InMemoryUnique:
    """The `UniqueValues` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def claim(self, value: UniqueValue) -> UniqueValue | None:
        """Store a record, or return the record that is stored already."""
        overlay = await self._step.writing()
        found: UniqueValue | None = overlay.get(UNIQUE, value.key)
        if found is None:
            overlay.put(UNIQUE, value.key, value)
        return found

    async def release(self, value: UniqueValue) -> bool:
        """Delete the record of a value, if its owner is the one given."""
        return await self._change(value, GONE)

    async def transfer(self, value: UniqueValue, *, to: str) -> bool:
        """Replace the owner of a value, if its owner is the one given."""
        return await self._change(value, to)

    async def _change(self, value: UniqueValue, to: object) -> bool:
        overlay = await self._step.writing()
        found: UniqueValue | None = overlay.get(UNIQUE, value.key)
        if found is None or found.owner != value.owner:
            return False
        overlay.put(UNIQUE, value.key, found._replace(owner=to, time=value.time) if isinstance(to, str) else GONE)
        return True
