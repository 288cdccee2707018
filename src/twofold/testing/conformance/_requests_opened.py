"""How a suite comes by adapters for requests, and by servers that it can hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import TypeAlias

import anyio

from ...ports import Request, Requests

ConnectRequests: TypeAlias = Callable[[], Awaitable[Requests]]
"""Returns an adapter that is open, as another process would have its own; it is closed with the broker."""

NewRequests: TypeAlias = Callable[[], AbstractAsyncContextManager[ConnectRequests]]
"""Gives a broker on which nobody has served yet; the fixture that the suite asks for."""

NAME = "shop"
LONG = 20.0
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
        self.go = anyio.Event()
        self.together = 0
        self.most = 0
        self._held = held

    async def let_go(self, seconds: float) -> None:
        """Let them go after so many seconds."""
        await anyio.sleep(seconds)
        self.go.set()

    async def __call__(self, asked: Request) -> bytes:
        self.begun.append(asked)
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            if len(self.begun) <= self._held:
                self.first.set()
                await self.go.wait()
            return await echo(asked)
        finally:
            self.together -= 1
