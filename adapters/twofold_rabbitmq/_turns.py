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
            if self._last.get(key) is mine:
                del self._last[key]
            if before is not None and not before.done():
                before.add_done_callback(lambda _: mine.set_result(None))  # cancelled while it waited: the turn goes on
            else:
                mine.set_result(None)
