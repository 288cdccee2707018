"""Signals: wake-ups between the tasks of one process."""

from __future__ import annotations

import anyio


class Signal:
    """Wakes waiting tasks early. A waiting task also polls, so that a lost signal does no harm."""

    def __init__(self) -> None:
        self.count = 0
        """How often the signal was sent. Read the count before the state that the signal is about."""
        self._event: anyio.Event | None = None
        self._also: Signal | None = None

    def forward(self, to: Signal) -> None:
        """Send another signal each time this one is sent."""
        self._also = to

    def send(self) -> None:
        """Wake all tasks that wait now."""
        self.count += 1
        if self._event is not None:
            self._event.set()
            self._event = None
        if self._also is not None:
            self._also.send()

    async def wait(self, seen: int, seconds: float) -> None:
        """Return when the signal is sent, at the latest after a timeout.

        Args:
            seen: the count that the caller has seen; if the signal was sent since, `wait` returns immediately.
            seconds: the timeout, in seconds.
        """
        if self.count != seen:
            return
        if self._event is None:
            self._event = anyio.Event()
        with anyio.move_on_after(seconds):
            await self._event.wait()
