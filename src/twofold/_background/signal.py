"""A notification, inside one process, that something has moved."""

from __future__ import annotations

import anyio


class Signal:
    """Wakes waiters early. A notification and no more: whoever waits looks again after a while all the same."""

    def __init__(self) -> None:
        self.count = 0
        """How often it was sent; look at it before reading what it is about."""
        self._event: anyio.Event | None = None

    def send(self) -> None:
        """Wake everybody who waits now."""
        self.count += 1
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self, seen: int, seconds: float) -> None:
        """Return at once when it was sent since `count` was `seen`, else when it is sent, at the latest after `seconds`."""
        if self.count != seen:
            return
        if self._event is None:
            self._event = anyio.Event()
        with anyio.move_on_after(seconds):
            await self._event.wait()
