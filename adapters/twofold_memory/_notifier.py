"""Notifications between applications of one process."""

from __future__ import annotations

from collections.abc import Callable

import anyio


class InMemoryNotifier:
    """Notify the applications of this process that share the object, such as several on one SQLite file."""

    def __init__(self) -> None:
        self._watching: dict[str, list[Callable[[str], None]]] = {}

    async def announce(self, log: str, origin: str) -> None:
        """Notify the listeners of this log."""
        for notify in self._watching.get(log, ()):
            notify(origin)

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        """Listen until cancelled."""
        watching = self._watching.setdefault(log, [])
        watching.append(notify)
        try:
            notify("")
            await anyio.sleep_forever()
        finally:
            watching.remove(notify)
