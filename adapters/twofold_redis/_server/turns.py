"""Limit the number of tasks that do the same thing at the same time."""

from __future__ import annotations

import asyncio


class Turns:
    """Gives a limited number of turns. Tasks wait for a turn in order.

    A free turn is taken without awaiting anything: a cached answer needs two turns, and `async with asyncio.Semaphore`
    would run six coroutines for them.

        if not turns.take():
            await turns.wait()
        try:
            ...
        finally:
            turns.end()

    Args:
        count: the number of turns.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._passed_on = asyncio.Semaphore(0)
        """The turns that ended while tasks waited. They are not free: the waiting tasks get them."""
        self._waiting = 0

    def take(self) -> bool:
        """Take a turn, and return True; False if none is free."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Return when another turn has ended, and take it."""
        self._waiting += 1
        try:
            await self._passed_on.acquire()
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """End a turn."""
        if self._waiting:
            self._passed_on.release()
        else:
            self._free += 1
