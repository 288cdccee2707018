"""One lock for each key."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class KeyLocks:
    """Fair locks by key, inside one process, on asyncio and trio. A key that nobody holds or waits for takes no memory.

    A free lock is taken without a switch to another task.
    """

    def __init__(self) -> None:
        self._waiting: dict[object, deque[anyio.Event]] = {}

    @asynccontextmanager
    async def hold(self, key: object) -> AsyncIterator[None]:
        """Wait for the lock of a key, and hold it inside the block. Waiting tasks get the lock in the order of arrival."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque()
        else:
            await self._turn(key, waiting)
        try:
            yield
        finally:
            self._release(key)

    async def _turn(self, key: object, waiting: deque[anyio.Event]) -> None:
        turn = anyio.Event()
        waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # cancelled in the moment in which the lock became free
                self._release(key)
            else:
                waiting.remove(turn)
            raise

    def _release(self, key: object) -> None:
        waiting = self._waiting[key]
        if waiting:
            waiting.popleft().set()
        else:
            del self._waiting[key]
