"""Loads of cached answers that several tasks share, and which load waits for which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

from .._definitions.position import Position
from ..errors import DispatchCycle
from .reach import Reach


class Load:
    """One lookup in the cache, and one load of an answer that is missing or too old.

    Attributes:
        begun: whether `reach` is known.
        ended: whether the answer is known, or the load has failed.
        reach: the position that the answer has reached.
        floor: the position that answers from nested queries must have reached, while the load runs.
        text: the answer as JSON text.
        unshared: whether the answer has no JSON and therefore cannot be shared with other tasks.
        error: the error of the load.
    """

    __slots__ = ("_above", "_awaits", "_changed", "begun", "ended", "error", "floor", "reach", "text", "unshared")

    def __init__(self, above: Load | None) -> None:
        self.begun = False
        self.ended = False
        self.reach: Reach | None = None
        self.floor: Position | None = None
        self.text: str | None = None
        self.unshared = False
        self.error: Exception | None = None
        self._above = above
        self._awaits: list[Load] = []
        self._changed: anyio.Event | None = None
        """Set at the next change of `begun` and `ended`; None as long as no task waits."""

    def begin(self) -> None:
        """Wake the tasks that wait for `reach`."""
        self.begun = True
        self._wake()

    def end(self) -> None:
        """Wake all waiting tasks."""
        self.begun = self.ended = True
        self._wake()

    async def until_begun(self) -> None:
        """Return when `reach` is known, or the load has ended."""
        while not self.begun:
            await self._change()

    async def until_ended(self) -> None:
        """Return when the load has ended."""
        while not self.ended:
            await self._change()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits for this load, or another load depends on it."""
        return self._changed is not None or self._above is not None

    @property
    def live(self) -> Load | None:
        """The innermost load that still runs, from this load outwards. A task of a handler may outlive its load."""
        load: Load | None = self
        while load is not None and load.ended:
            load = load._above
        return load

    def serves(self, needed: Position | None, *, early: bool) -> bool:
        """Return whether the answer is new enough for a caller.

        Args:
            needed: the position that the answer must have reached.
            early: whether the caller came before `reach` was read. A load of its own would not be newer.
        """
        if needed is None or (early and self.floor is not None):
            return True
        return self.reach is not None and self.reach.whole and self.reach.position >= needed

    def is_made_of(self, reach: Reach | None) -> None:
        """Limit `reach` to that of a nested answer that this answer depends on."""
        if self.reach is not None and reach is not None:
            self.reach = self.reach.within(reach)

    @contextmanager
    def awaiting(self, other: Load, name: str) -> Iterator[None]:
        """Wait for another load inside the block.

        Raises:
            DispatchCycle: the other load waits for this load, directly or through further loads.
        """
        if other._waits_for(self):
            raise DispatchCycle(
                f"cannot answer {name}: its cached answer is being loaded by a handler that waits for this same query. "
                "Let the handlers call a shared function instead of each other's queries."
            )
        self._awaits.append(other)
        try:
            yield
        finally:
            self._awaits.remove(other)

    def _waits_for(self, other: Load) -> bool:
        seen: set[Load] = {self}
        left: list[Load] = [self]
        while left:
            load = left.pop()
            if load is other:
                return True
            left.extend(each for each in load._awaits if each not in seen)
            seen.update(load._awaits)
        return False


loading: ContextVar[Load | None] = ContextVar("twofold.loading", default=None)
"""The load whose handler runs in this task."""
