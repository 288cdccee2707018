"""Poll for a condition that no other task or process announces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import anyio

from .backoff import Backoff


async def poll_until(condition: Callable[[], Awaitable[bool]], backoff: Backoff, *, seconds: float = inf) -> bool:
    """Poll until a condition is true. The first poll is immediate.

    Args:
        condition: the condition.
        backoff: the delays between two polls.
        seconds: the timeout. With 0 the condition is polled once.

    Returns:
        False if the condition was still false after the timeout.
    """
    deadline = anyio.current_time() + seconds
    while not await condition():
        left = deadline - anyio.current_time()
        if left <= 0:
            return False
        await anyio.sleep(min(backoff.next(), left))
    return True
