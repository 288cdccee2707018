"""A driver that loses a cancellation, as asyncio.wait_for does on Python 3.11 when the reply arrives at the same moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import anyio
import pytest

from twofold_redis._server.server import Script, Server

pytestmark = pytest.mark.anyio


class Losing:
    """A client that answers when its task is cancelled, and loses the cancellation."""

    def __init__(self) -> None:
        self.asked = anyio.Event()

    async def execute_command(self, *arguments: object, **options: object) -> bytes:
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        return b"answered"


async def ask(client: Losing) -> object:
    """Send a request."""
    return await Server(cast(Any, client)).run(Script("return 1"), ["key"], [], "ask")


async def test_the_cancellation_of_a_scope_ends_in_its_scope() -> None:
    """The scope ends the request, and no cancellation leaves the scope."""
    client = Losing()

    async def ask_in(scope: anyio.CancelScope) -> None:
        with scope:
            await ask(client)

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_in, scope)
        await client.asked.wait()
        scope.cancel()
    assert scope.cancelled_caught
    assert not tasks.cancel_scope.cancel_called


async def test_the_cancellation_of_a_task_ends_the_task() -> None:
    """A cancellation by asyncio is raised after the answer."""
    client = Losing()
    task = asyncio.create_task(ask(client))
    await client.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
