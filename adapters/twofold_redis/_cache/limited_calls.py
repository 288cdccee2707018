"""Limit the number and the duration of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from twofold.errors import TransientFailure

from .._server.errors import TRANSLATED, translated
from .._server.server import raise_lost_cancellation
from .._server.turns import Turns

_LAST: Final = 3
"""The tick that ends a call."""


class LimitedCalls:
    """Runs a limited number of calls at the same time. When a call takes too long, the waiting calls fail with it.

    The time of a call begins when it starts. One timer serves all calls, because a timer for each call would cost too much:
    the timer ticks twice in a call's time, and ends a call at its third tick. A blocked event loop, which receives no
    answers, ticks once. `asyncio.Timeout` would cost more than all other steps of a call together.

    Args:
        concurrent: the largest number of calls.
        seconds: the timeout of a call. The timer ends it after at most half as long again.
    """

    def __init__(self, concurrent: int, seconds: float) -> None:
        self._turns = Turns(concurrent)
        self._tick = seconds / 2
        self._running: dict[asyncio.Task[Any], int] = {}
        """The number of ticks since the call of each task has started."""
        self._ended: set[asyncio.Task[Any]] = set()
        """The tasks that were cancelled because their calls took too long."""
        self._ticks = False
        self._late = 0

    async def run(self, attempt: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Start a call as soon as the limit allows it, and return its result.

        Raises:
            TransientFailure: the call took too long, or another call did for which this call waited.
            TwofoldError: the call failed; see `translated`.
        """
        late, task = self._late, cast(asyncio.Task[Any], asyncio.current_task())
        if not self._turns.take():
            await self._turns.wait()
        if self._late != late:
            self._turns.end()
            raise too_late(attempt)
        cancelled, self._running[task] = task.cancelling(), 0
        try:
            if not self._ticks:
                self._ticks = True
                asyncio.get_running_loop().call_later(self._tick, self._ticked)
            answer = await call()
            if task.cancelling() > cancelled:
                await raise_lost_cancellation()
        except BaseException as error:
            if task in self._ended:
                self._ended.remove(task)
                # As in `asyncio.Timeout`: a cancellation by the caller has precedence.
                if task.uncancel() <= cancelled and isinstance(error, asyncio.CancelledError):
                    self._late += 1
                    raise too_late(attempt) from error
            if isinstance(error, TRANSLATED):
                raise translated(error, attempt) from error
            raise
        finally:
            del self._running[task]
            self._turns.end()
        return answer

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        for task, ticks in self._running.items():
            self._running[task] = ticks + 1
            if ticks + 1 == _LAST:
                loop.call_soon(self._end, task)  # after the tasks whose answers have just arrived
        self._ticks = bool(self._running)
        if self._ticks:
            loop.call_later(self._tick, self._ticked)

    def _end(self, task: asyncio.Task[Any]) -> None:
        if self._running.get(task) == _LAST:
            self._ended.add(task)
            task.cancel()


def too_late(attempt: str) -> TransientFailure:
    """Return the error for a call that took too long."""
    return TransientFailure(
        f"cannot {attempt}: Redis did not answer in time. Check whether it is busy, or raise timeout=."
    )
