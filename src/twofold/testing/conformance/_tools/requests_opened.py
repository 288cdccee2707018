"""Functions that open adapters for requests, and servers that a test can block."""

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
"""Returns an open adapter, as another process would have it. The adapter is closed with the broker."""

NewRequests: TypeAlias = Callable[[], AbstractAsyncContextManager[ConnectRequests]]
"""Opens a broker without servers; the fixture of the suite."""

NAME = "shop"
LONG = CEILING
SHORT = 0.4

_numbers = count(1)


def request(text: str = "", *, key: str | None = None) -> Request:
    """Return a request with a new id."""
    return Request(f"r{next(_numbers)}", key, text.encode())


async def echo(asked: Request) -> bytes:
    """Reply with the body of the request."""
    return b"re: " + asked.body


class Held:
    """A server function that blocks the first requests until they are released, and records all requests."""

    def __init__(self, held: int = 1) -> None:
        self.begun: list[Request] = []
        self.first = anyio.Event()
        self.full = anyio.Event()
        """Set when the expected number of requests is blocked."""
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
    """The received replies."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.came = anyio.Event()


@asynccontextmanager
async def asking(client: Requests, sent: Request) -> AsyncIterator[Replies]:
    """Send a request while the block runs, and wait for its reply afterwards."""
    replies = Replies()

    async def ask() -> None:
        replies.replies.append(await client.request(NAME, sent, seconds=LONG))
        replies.came.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        yield replies


async def serving(server: Requests, answer: Answerer, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
    """Serve until the reported scope is cancelled."""
    with anyio.CancelScope() as scope:
        async with server.serve(NAME, answer):
            task_status.started(scope)
            await anyio.sleep_forever()
