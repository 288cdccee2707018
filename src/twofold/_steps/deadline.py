"""Make an outside call that has a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import anyio
import anyio.to_thread

from .._buses.callables import is_async


class DeadlinePassed(Exception):
    """The call did not end in time. Its outcome is unknown."""


async def in_time(
    work: Callable[[], Awaitable[Any]], seconds: float | None, expected: tuple[type[Exception], ...]
) -> Any:
    """Await a call, and cancel it at its deadline.

    Args:
        work: makes the call.
        seconds: the time until the deadline, in seconds; None for no limit.
        expected: exceptions that are outcomes, also if the call raises them after its deadline.

    Raises:
        DeadlinePassed: the call did not end in time, or ended with another exception because it was cancelled.
    """
    with anyio.move_on_after(seconds) as scope:
        try:
            return await work()
        except expected:
            raise
        except Exception as error:
            if scope.cancel_called:
                raise DeadlinePassed from error
            raise
    raise DeadlinePassed


async def outside(call: Callable[[str], Any], key: str) -> Any:
    """Make a call with its idempotency key. A sync function runs in a thread, which continues when the call is cancelled."""
    if is_async(call):
        result = call(key)
    else:
        # In a tuple, because trio refuses a function that returns a coroutine, as a lambda may do.
        (result,) = await anyio.to_thread.run_sync(lambda: (call(key),), abandon_on_cancel=True)
    return await result if isawaitable(result) else result
