"""Serving commands and queries: wiring, start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis as RedisClient

from tests.domains.stock import GetLevel, Take, Unserved, stock
from twofold import Application, Command, RemoteCommandBus
from twofold.errors import ApplicationNotRunning, ConfigurationError, RemoteTimeout
from twofold.ports import Request, Requests, WriteStore
from twofold_memory import InMemory, InMemoryTransport
from twofold_redis import RedisStreams


class Nameless(Command[None]):
    pass


def test_a_transport_without_requests_cannot_serve() -> None:
    """`check()` names the transports to pass instead."""
    streams: Any = RedisStreams(RedisClient())
    app = Application("shop", write=InMemory(), transport=streams)
    app.serve(Unserved)
    with pytest.raises(ConfigurationError, match=r"RedisStreams carries events only.*requests=RabbitMQ\(url\)"):
        app.check()
    with pytest.raises(ConfigurationError, match=r"pass a transport of requests, such as RabbitMQ\(url\)"):
        Application("shop", write=InMemory(), requests=streams)


def test_an_application_without_a_transport_cannot_serve() -> None:
    """`check()` reports all faults, with file and line."""
    app = Application("no way", write=InMemory())
    app.serve(Unserved, Nameless)
    app.serve(Take)
    with pytest.raises(ConfigurationError) as raised:
        app.check()
    text = str(raised.value)
    for part in (
        "nothing carries them",
        "'no way' serves under its name",
        "Unserved is served but has no handler",
        "Nameless is served but has no stable name",
        "a second serve()",
        f"{__file__}:",
    ):
        assert part in text


async def test_an_application_that_is_not_running_leaves_a_request_to_another(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """A server that stops does not answer. The next server handles the request."""
    calls: list[Take] = []
    app = Application("stock", write=here, transport=broker)

    @app.command_handler(Take)
    async def take(command: Take) -> int:
        calls.append(command)
        if len(calls) == 1:
            raise ApplicationNotRunning("it has stopped")
        return 7

    app.serve(Take)
    await app.create_schema()
    async with app:
        assert await RemoteCommandBus(broker, "stock").dispatch(Take(article="lamp", number=1)) == 7
    assert len(calls) == 2


async def test_requests_are_removed_after_their_deadline(broker: InMemoryTransport) -> None:
    """This happens even without a server."""
    requests: Requests = broker

    async def never(request: Request) -> bytes:
        raise AssertionError(request)

    async with requests.serve("shop", never):
        pass
    for number in range(100):
        with anyio.move_on_after(0):
            await requests.request("shop", Request(str(number), None, b""), seconds=0)
    with pytest.raises(RemoteTimeout):
        await requests.request("shop", Request("last", None, b""), seconds=0)
    assert not broker._services["shop"]._waiting


async def test_a_cancelled_start_leaves_nothing_running(here: WriteStore, broker: InMemoryTransport) -> None:
    """The store is closed, and the application can be started again."""
    held, scope = anyio.Event(), anyio.CancelScope()
    served: list[str] = []

    class Slow(InMemoryTransport):
        @asynccontextmanager
        async def serve(self, service: str, answer: Any, **options: Any) -> AsyncIterator[Any]:
            served.append("begins")
            scope.cancel()
            try:
                await held.wait()
                async with super().serve(service, answer, **options) as server:
                    yield server
            finally:
                served.append("ends")

    app = Application("stock", write=here, transport=Slow())
    app.include(stock)
    await app.create_schema()
    with scope:
        async with app:
            raise AssertionError("it cannot have started")
    assert scope.cancelled_caught
    assert served == ["begins", "ends"]
    held.set()
    async with app:
        assert await app.execute(GetLevel(article="lamp")) is None
