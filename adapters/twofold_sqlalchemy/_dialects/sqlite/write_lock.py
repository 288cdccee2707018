"""The lock for which the writers of one process queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from twofold.errors import ConfigurationError, TransientFailure


class WriteLock:
    """The lock of one process's writers to one database, in one event loop. Waiters get it in the order of arrival."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None

    async def acquire(self, timeout: float) -> Callable[[], None]:
        """Wait for the lock and return the function that releases it.

        Args:
            timeout: seconds to wait.
        """
        if self._owner is asyncio.current_task():
            raise ConfigurationError(
                "cannot begin a transaction: this task already has a writing transaction on the same SQLite database, which "
                "allows one writer at a time. End the first transaction, or begin with read_only=True."
            )
        try:
            async with asyncio.timeout(timeout):
                await self._lock.acquire()
        except TimeoutError as error:
            raise TransientFailure(
                f"cannot begin a transaction: after {timeout} s another transaction of this process is still writing. "
                "Look for a handler that waits for a slow call inside a transaction."
            ) from error
        self._owner = asyncio.current_task()
        return self._release

    def _release(self) -> None:
        self._owner = None
        self._lock.release()


class WriteLocks:
    """The write locks of one engine, one for each event loop."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WriteLock] = WeakKeyDictionary()

    def of_running_loop(self) -> WriteLock:
        """Return the lock of the running event loop."""
        loop = asyncio.get_running_loop()
        return self._locks.get(loop) or self._locks.setdefault(loop, WriteLock())
