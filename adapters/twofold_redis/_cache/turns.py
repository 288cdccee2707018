"""Calls that take turns, and that somebody waits for: each has its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from twofold.errors import TransientFailure


class Turns:
    """Lets so many calls be under way at a time. When one takes too long, those that wait for their turn fail with it.

    The time of a call begins when it has its turn. One timer serves all calls, as one for each would cost a hit too much: it
    ticks twice in a call's time, and ends a call that has seen three ticks. An event loop that stood still, and so heard no
    answers, has ticked once.

    Args:
        at_once: how many calls.
        seconds: the least that a call may take; half as long again at most.
    """

    def __init__(self, at_once: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._tick = seconds / 2
        self._under_way: dict[asyncio.Timeout, int] = {}
        self._ticks = False
        self._late = 0

    async def take(self, attempt: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call when it is its turn.

        Raises:
            TransientFailure: it took too long, or another one did that it waited for.
        """
        late = self._late
        async with self._free:
            if self._late != late:
                raise too_late(attempt)
            try:
                async with asyncio.timeout(None) as limit:
                    self._under_way[limit] = 0
                    if not self._ticks:
                        self._ticks = True
                        asyncio.get_running_loop().call_later(self._tick, self._ticked)
                    try:
                        return await call()
                    finally:
                        del self._under_way[limit]
            except TimeoutError as error:
                self._late += 1
                raise too_late(attempt) from error

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        for limit, seen in self._under_way.items():
            self._under_way[limit] = seen + 1
            if seen == 2:
                limit.reschedule(loop.time())
        self._ticks = bool(self._under_way)
        if self._ticks:
            loop.call_later(self._tick, self._ticked)


def too_late(attempt: str) -> TransientFailure:
    """Return the error of a call that took too long."""
    return TransientFailure(
        f"cannot {attempt}: Redis did not answer in time. See whether it is busy, or raise timeout=."
    )
