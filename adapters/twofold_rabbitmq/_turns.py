"""One at a time for each key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Fair turns by key. A key that nobody has or waits for takes no memory."""

    def __init__(self) -> None:
        self._last: dict[str | None, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def of(self, key: str | None) -> AsyncIterator[None]:
        """Wait for the turn of a key, and have it inside the block."""
        before = self._last.get(key)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last[key] = mine
        try:
            if before is not None:
                await asyncio.shield(before)
            yield
        finally:
            waited = before if before is not None and not before.done() else None  # cancelled: the turn is another's
            if self._last.get(key) is mine:
                if waited is None:
                    del self._last[key]
                else:
                    self._last[key] = waited
            if waited is None:
                mine.set_result(None)
            else:
                waited.add_done_callback(lambda _: mine.set_result(None))
