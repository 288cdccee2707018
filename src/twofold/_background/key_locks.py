"""One lock for each key."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import anyio


@dataclass(slots=True, eq=False)
class KeyLocks:
    """Fair locks by key, inside one process, on asyncio and trio. A key that no task holds or waits for takes no memory.

    A free lock is taken without a switch to another task.
    """

    _waiting: dict[object, deque[anyio.Event]] = field(default_factory=dict, init=False)

    def hold(self, key: object) -> AbstractAsyncContextManager[None]:
        """Wait for the lock of a key, and hold it inside the block. Waiting tasks get the lock in the order of arrival."""
        return _Held(self, key)

    async def acquire(self, key: object) -> None:
        """Wait for the lock of a key, and take it; `release` must follow."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque()
        else:
            await self._turn(key, waiting)

    def release(self, key: object) -> None:
        """Give the lock of a key to the next task that waits for it."""
        waiting = self._waiting[key]
        if waiting:
            waiting.popleft().set()
        else:
            del self._waiting[key]

    async def _turn(self, key: object, waiting: deque[anyio.Event]) -> None:
        turn = anyio.Event()
        waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # cancelled in the moment in which the lock became free
                self.release(key)
            else:
                waiting.remove(turn)
            raise


@dataclass(slots=True, eq=False)
class _Held(AbstractAsyncContextManager[None]):
    """The block of `KeyLocks.hold`. It is a class, because an async generator costs more than the lock, for each message."""

    locks: KeyLocks
    key: object

    async def __aenter__(self) -> None:
        await self.locks.acquire(self.key)

    async def __aexit__(self, *_: object) -> None:
        self.locks.release(self.key)
