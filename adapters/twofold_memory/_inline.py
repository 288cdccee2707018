"""The inline projections of the event log."""

from __future__ import annotations

from collections.abc import Collection

from ._overlay import Overlay
from ._step import Step
from ._tables import GENERATIONS, GONE, INLINE


class InMemoryInline:
    """The `InlineProjections` of a transaction. Transactions that write take turns, which is all the locking needed."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def hold(self, projections: Collection[str]) -> None:
        """Wait until no other transaction writes."""
        await self._step.writing()

    async def record(self, projection: str, views: str) -> None:
        """Store a record."""
        overlay = await self._step.writing()
        if overlay.get(INLINE, projection) != views:
            overlay.put(INLINE, projection, views)
            _grow(overlay)

    async def delete(self, projection: str) -> bool:
        """Delete a record."""
        overlay = await self._step.writing()
        if overlay.get(INLINE, projection) is None:
            return False
        overlay.put(INLINE, projection, GONE)
        _grow(overlay)
        return True


def _grow(overlay: Overlay) -> None:
    overlay.put(GENERATIONS, INLINE, (overlay.get(GENERATIONS, INLINE) or 0) + 1)
