"""Requests while servers die, networks break, and replies come too late."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiormq import spec

from tests.adapters.rabbitmq.broken import SOON, TIMEOUT, Broken
from tests.servers.proxy import Proxy
from twofold.errors import RemoteTimeout
from twofold.ports import Request
from twofold.testing.conformance._tools.in_time import CEILING, in_time


class Held:
    """A server function that waits until it is released, and records its requests."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Request] = asyncio.Queue()
        self.go = asyncio.Event()

    async def __call__(self, request: Request) -> bytes:
        await self.begun.put(request)
        await self.go.wait()
        return b"re: " + request.body


async def echo(request: Request) -> bytes:
    """Reply with the body of the request."""
    return b"re: " + request.body


@asynccontextmanager
async def another_process(broken: Broken) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that serves and never answers; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.adapters.rabbitmq.serving", broken.server.url, broken.prefix),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await _says(process) == "serving"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _says(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    with in_time():
        return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("key", [None, "k1"])
async def test_a_server_is_killed_in_the_middle(broken: Broken, key: str | None) -> None:
    """Another server answers the requests of a killed server."""
    transport, other = await broken.connect(), await broken.connect()
    async with another_process(broken) as process:
        asked = asyncio.create_task(transport.request("shop", Request("r1", key, b"one"), seconds=CEILING))
        assert await _says(process) == "r1"
        async with other.serve("shop", echo):
            process.kill()
            assert await asked == b"re: one"


async def test_a_reply_that_comes_too_late(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """It is dropped: the next request gets its own reply, and nothing is complained about."""
    transport, held = await broken.connect(), Held()
    async with transport.serve("shop", held):
        held.go.set()
        assert await transport.request("shop", Request("r0", None, b"zero"), seconds=CEILING) == b"re: zero"
        held.go = asyncio.Event()
        with pytest.raises(RemoteTimeout):
            await transport.request("shop", Request("r1", None, b"one"), seconds=0.3)
        held.go.set()
        assert await transport.request("shop", Request("r2", None, b"two"), seconds=CEILING) == b"re: two"
    assert not caplog.messages


async def test_a_reply_after_the_requester_has_connected_again(broken: Broken, network: Proxy) -> None:
    """The request is sent again under its id, and its reply arrives over the new connection."""
    lag, transport, held = await broken.connect(network.url), await broken.connect(), Held()
    async with transport.serve("shop", held):
        asked = asyncio.create_task(lag.request("shop", Request("r1", "k1", b"one"), seconds=CEILING))
        await held.begun.get()
        network.cut()
        held.go.set()
        assert await asked == b"re: one"
    assert {(await held.begun.get()).id} == {"r1"}


async def test_a_request_over_a_stalled_network(broken: Broken, network: Proxy) -> None:
    """The request ends at its deadline. The next request does not wait for a connection that does not respond."""
    lag, transport = await broken.connect(network.url), await broken.connect()
    async with transport.serve("shop", echo):
        assert await lag.request("shop", Request("r1", None, b"one"), seconds=CEILING) == b"re: one"
        network.stall()
        with in_time(SOON), pytest.raises(RemoteTimeout, match="r2"):
            await lag.request("shop", Request("r2", None, b"two"), seconds=TIMEOUT + 1)
        network.resume()
        assert await lag.request("shop", Request("r3", None, b"three"), seconds=CEILING) == b"re: three"


async def test_a_server_behind_a_broken_network(broken: Broken, network: Proxy) -> None:
    """A server whose network breaks during a request reconnects and answers the request."""
    lag, transport, held = await broken.connect(network.url), await broken.connect(), Held()
    async with lag.serve("shop", held):
        asked = asyncio.create_task(transport.request("shop", Request("r1", "k1", b"one"), seconds=CEILING))
        await held.begun.get()
        network.cut()
        await held.begun.get()
        held.go.set()
        assert await asked == b"re: one"


async def test_requests_over_a_restart(broken: Broken) -> None:
    """Requests that were sent before a restart of the broker are answered after it."""
    transport, held = await broken.connect(), Held()
    async with transport.serve("shop", held):
        asked = asyncio.create_task(transport.request("shop", Request("r1", "k1", b"one"), seconds=CEILING))
        await held.begun.get()
        await asyncio.to_thread(broken.server.stop)
        held.go.set()
        await asyncio.to_thread(broken.server.start)
        assert await asked == b"re: one"


async def test_all_connections_of_requests_are_closed_by_force(broken: Broken) -> None:
    """Requester and server connect again, and every request gets its reply."""
    transport = await broken.connect()
    async with transport.serve("shop", echo):
        closed = asyncio.create_task(broken.control("close_all_connections", "test"))
        number = 0
        while not closed.done() or number < 50:
            body = str(number).encode()
            reply = await transport.request("shop", Request(f"r{number}", "k", body), seconds=CEILING)
            assert reply == b"re: " + body
            number += 1
        await closed


@pytest.mark.parametrize(
    "reply_to",
    [
        *(None, "", "nowhere", "x" * 255, "amq.rabbitmq.trace", "\n"),
        *("amq.rabbitmq.reply-to.x.y", "amq.rabbitmq.reply-to.g1h2/a.b"),
    ],
)
async def test_a_request_with_a_broken_reply_address(broken: Broken, reply_to: str | None) -> None:
    """Such a request is handled once and dropped. Other requests are answered, although only one runs at a time."""
    handled: list[bytes] = []

    async def noting(request: Request) -> bytes:
        handled.append(request.body)
        return request.body

    transport = await broken.connect()
    async with transport.serve("shop", noting, concurrency=1), broken.administrator() as channel:
        topology = transport._requests
        broken_one = spec.Basic.Properties(
            reply_to=reply_to, expiration="60000", headers={"id": "b", "deadline": int((time.time() + 60) * 1000)}
        )
        for _ in range(3):
            await channel.basic_publish(
                b"broken", exchange=topology.exchange, routing_key="any.shop", properties=broken_one
            )
            for number in range(3):
                sent = Request(f"r{number}", None, b"good")
                assert await transport.request("shop", sent, seconds=CEILING) == b"good"
    assert handled.count(b"broken") == 3
    for queue in topology.queues("shop", 1):
        async with broken.administrator() as channel:
            assert (await channel.queue_declare(queue, passive=True)).message_count == 0
