"""How a suite comes by adapters for requests, and by servers that it can hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import TypeAlias

import anyio
from anyio.abc import TaskStatus

from twofold.ports import Answerer, Request, Requests

from .in_time import CEILING

ConnectRequests: TypeAlias = Callable[[], Awaitable[Requests]]
"""Returns an adapter that is open, as another process would have its own; it is closed with the broker."""

NewRequests: TypeAlias = Callable[[], AbstractAsyncContextManager[ConnectRequests]]
"""Gives a broker on which nobody has served yet; the fixture that the suite asks for."""

NAME = "shop"
LONG = CEILING
SHORT = 0.4

_numbers = count(1)


def request(text: str = "", *, key: str | None = None) -> Request:
    """Return a request that no other has the id of."""
    return Request(f"r{next(_numbers)}", key, text.encode())


async def echo(asked: Request) -> bytes:
    """Reply with what came."""
    return b"re: " + asked.body


class Held:
    """An answerer that holds the first requests until they are let go, and notes what it was asked."""

    def __init__(self, held: int = 1) -> None:
        self.begun: list[Request] = []
        self.first = anyio.Event()
        self.full = anyio.Event()
        """Set when it holds as many as it was told to."""
        self.go = anyio.Event()
        self.together = 0
        self.most = 0
        self._held = held

    async def let_go(self, seconds: float) -> None:
        """Release the requests after `seconds`."""
        await anyio.sleep(seconds)
        self.go.set()

    async def __call__(self, asked: Request) -> bytes:
        self.begun.append(asked)
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            if len(self.begun) <= self._held:
                self.first.set()
                if len(self.begun) == self._held:
                    self.full.set()
                await self.go.wait()
            return await echo(asked)
        finally:
            self.together -= 1


class Replies:
    """The replies that came."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.came = anyio.Event()


@asynccontextmanager
async def asking(client: Requests, sent: Request) -> AsyncIterator[Replies]:
    """Wait for a reply while the block runs, and after it."""
    replies = Replies()

    async def ask() -> None:
        replies.replies.append(await client.request(NAME, sent, seconds=LONG))
        replies.came.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        yield replies


async def serving(server: Requests, answer: Answerer, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
    """Serve until the scope that it tells is cancelled."""
    with anyio.CancelScope() as scope:
        async with server.serve(NAME, answer):
            task_status.started(scope)
            await anyio.sleep_forever()
