"""A limit for the time that a server may take to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

T = TypeVar("T")

CLEANUP: Final = 2.0
"""Seconds that a server may take for a rollback, and for another statement that ends the use of a connection.

A connection that takes longer is closed, and its server rolls back.
"""


async def in_time(work: Awaitable[T], seconds: float | None) -> T:
    """Return the result of work on a server. The work is cancelled when the limit is reached.

    Args:
        work: the work.
        seconds: the limit, in seconds; None for no limit.

    Raises:
        TimeoutError: the server has not answered in time. The connection must not be used again.
    """
    if seconds is None:
        return await work
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the server has not answered within {seconds:g} s") from error
        raise
