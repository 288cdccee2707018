"""Notifications between applications of one process."""

from __future__ import annotations

from collections.abc import Callable

import anyio


class InMemoryNotifier:
    """Tell the applications of this process that are given the same object, such as several on one SQLite file."""

    def __init__(self) -> None:
        self._watching: dict[str, list[Callable[[], None]]] = {}

    async def announce(self, log: str) -> None:
        """Notify the listeners of this log."""
        for heard in self._watching.get(log, ()):
            heard()

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        """Listen until cancelled."""
        watching = self._watching.setdefault(log, [])
        watching.append(heard)
        try:
            heard()
            await anyio.sleep_forever()
        finally:
            watching.remove(heard)
