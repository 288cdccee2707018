"""Limit the number and the duration of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from twofold.errors import TransientFailure


class LimitedCalls:
    """Runs a limited number of calls at the same time. When a call takes too long, the waiting calls fail with it.

    The time of a call begins when it starts. One timer serves all calls, because a timer for each call would cost too much:
    the timer ticks twice in a call's time, and ends a call at its third tick. A blocked event loop, which receives no
    answers, ticks once.

    Args:
        concurrent: the largest number of calls.
        seconds: the timeout of a call. The timer ends it after at most half as long again.
    """

    def __init__(self, concurrent: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(concurrent)
        self._tick = seconds / 2
        self._running: dict[asyncio.Timeout, int] = {}
        self._ticks = False
        self._late = 0

    async def run(self, attempt: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Start a call as soon as the limit allows it, and return its result.

        Raises:
            TransientFailure: the call took too long, or another call did for which this call waited.
        """
        late = self._late
        async with self._free:
            if self._late != late:
                raise too_late(attempt)
            try:
                async with asyncio.Timeout(None) as limit:
                    self._running[limit] = 0
                    if not self._ticks:
                        self._ticks = True
                        asyncio.get_running_loop().call_later(self._tick, self._ticked)
                    try:
                        return await call()
                    finally:
                        del self._running[limit]
            except TimeoutError as error:
                self._late += 1
                raise too_late(attempt) from error

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        for limit, seen in self._running.items():
            self._running[limit] = seen + 1
            if seen == 2:
                limit.reschedule(loop.time())
        self._ticks = bool(self._running)
        if self._ticks:
            loop.call_later(self._tick, self._ticked)


def too_late(attempt: str) -> TransientFailure:
    """Return the error for a call that took too long."""
    return TransientFailure(
        f"cannot {attempt}: Redis did not answer in time. Check whether it is busy, or raise timeout=."
    )
