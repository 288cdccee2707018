"""Loads of answers that others may wait for, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

from .._definitions.position import Position
from ..errors import DispatchCycle
from .reach import Reach


class Gate:
    """Opens once; whoever comes before waits."""

    __slots__ = ("_event", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._event: anyio.Event | None = None

    def open(self) -> None:
        """Let everybody through."""
        self.is_open = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Return when it is open."""
        if not self.is_open:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()


class Load:
    """One look into the cache, and one load of an answer that is not there or too old.

    Attributes:
        began: open when it is known how far its answer reaches.
        done: open when it has ended.
        reach: how far its answer reaches.
        floor: what the answers that it is made of have to be as new as, while it loads.
        text: its answer, as JSON text.
        unshared: whether its answer has no JSON, so that it is for who loaded it alone.
        error: what it failed with.
    """

    __slots__ = ("_above", "_awaits", "began", "done", "error", "floor", "reach", "text", "unshared")

    def __init__(self, above: Load | None) -> None:
        self.began = Gate()
        self.done = Gate()
        self.reach: Reach | None = None
        self.floor: Position | None = None
        self.text: str | None = None
        self.unshared = False
        self.error: Exception | None = None
        self._above = above
        self._awaits: list[Load] = []

    @property
    def live(self) -> Load | None:
        """The innermost load that has not ended, from this one on outwards. A task that a handler began may outlive it."""
        load: Load | None = self
        while load is not None and load.done.is_open:
            load = load._above
        return load

    def serves(self, needed: Position | None, *, early: bool) -> bool:
        """Return whether its answer is new enough.

        Args:
            needed: what it has to be as new as.
            early: whether who asks came before it looked at the read models: what it loads then, they would load too.
        """
        if needed is None or (early and self.floor is not None):
            return True
        return self.reach is not None and self.reach.whole and self.reach.position >= needed

    def is_made_of(self, reach: Reach | None) -> None:
        """Let its answer reach no further than another one that it is made of."""
        if self.reach is not None and reach is not None:
            self.reach = self.reach.within(reach)

    @contextmanager
    def awaiting(self, other: Load, name: str) -> Iterator[None]:
        """Wait for another load in here.

        Raises:
            DispatchCycle: that one waits for this one, itself or through others.
        """
        if other._waits_for(self):
            raise DispatchCycle(
                f"cannot answer {name}: its answer is being loaded, and that waits for this very question, asked further "
                "up or by another task. Let the handlers call a shared function instead of each other's queries."
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
"""The load whose handler asks."""
