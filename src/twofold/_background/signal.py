"""Signals: wake-ups between the tasks of one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import anyio


@dataclass(slots=True, eq=False)
class Signal:
    """Wakes waiting tasks early. A waiting task also polls, so that a lost signal does no harm.

    Attributes:
        count: how often the signal was sent. Read the count before the state that the signal is about.

    Args:
        also: a signal that is sent each time this one is sent. The tasks that wait for it run first.
    """

    also: Signal | None = None
    count: int = field(default=0, init=False)
    _event: anyio.Event | None = field(default=None, init=False)

    def send(self) -> None:
        """Wake all tasks that wait now."""
        self.count += 1
        if self.also is not None:
            self.also.send()
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self, seen: int, seconds: float = inf) -> None:
        """Return when the signal is sent, at the latest after a timeout.

        Args:
            seen: the count that the caller has seen; if the signal was sent since, `wait` returns immediately.
            seconds: the timeout, in seconds; by default none.
        """
        if self.count != seen:
            return
        if self._event is None:
            self._event = anyio.Event()
        if seconds == inf:  # a timer costs more than the rest of a wake-up
            await self._event.wait()
            return
        with anyio.move_on_after(seconds):
            await self._event.wait()
