"""Order of requests, servers that stop, and messages of other programs that are not requests."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack

import pytest
from aiormq import spec

from tests.adapters.rabbitmq.broken import TIMEOUT, Broken, feed
from tests.servers.proxy import Proxy
from twofold import Application, Command, RemoteCommandBus
from twofold.errors import NoRemoteService, NotSent, RemoteTimeout, TransientFailure
from twofold.ports import Request
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_memory import InMemory
from twofold_rabbitmq import RabbitMQ, _request_wire


class Pack(Command[int], name="depot.pack"):
    number: int


async def echo(request: Request) -> bytes:
    """Reply with the body of the request."""
    return b"re: " + request.body


async def test_requests_of_a_key_stay_in_order_when_the_connection_is_lost(broken: Broken, network: Proxy) -> None:
    """One that was sent a moment later is not handled before, whenever that moment is."""
    transport, lag, seen = await broken.connect(), await broken.connect(network.url), list[str]()

    async def note(request: Request) -> bytes:
        seen.append(request.id)
        return b""

    async with transport.serve("shop", note):
        await lag.request("shop", Request("first", "k", b""), seconds=CEILING)
        for number in range(8):
            seen.clear()
            network.cut()
            before = asyncio.create_task(lag.request("shop", Request(f"{number}-1", "k", b""), seconds=CEILING))
            await asyncio.sleep(0.03)
            after = asyncio.create_task(lag.request("shop", Request(f"{number}-2", "k", b""), seconds=CEILING))
            await asyncio.gather(before, after)
            assert list(dict.fromkeys(seen)) == [f"{number}-1", f"{number}-2"]


async def test_concurrent_requests_with_one_id_without_a_server(broken: Broken) -> None:
    """Concurrent requests with one id to a missing service each get an error."""
    transport = await broken.connect()
    asked = [transport.request("nobody", Request("same", None, b""), seconds=CEILING) for _ in range(3)]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in errors] == [NoRemoteService] * 3


async def test_a_request_that_may_have_been_handled_has_an_unknown_outcome(broken: Broken, network: Proxy) -> None:
    """If a request is sent again while its service disappears, its outcome is reported as unknown."""
    transport, lag, begun = await broken.connect(), await broken.connect(network.url), asyncio.Event()

    async def never(request: Request) -> bytes:
        begun.set()
        await asyncio.Event().wait()
        return b""

    async with AsyncExitStack() as serving:
        await serving.enter_async_context(transport.serve("shop", never))
        asked = asyncio.create_task(lag.request("shop", Request("r1", None, b""), seconds=10.0))
        await begun.wait()
        network.stall()
        network.cut()
        await serving.aclose()
        assert await transport.delete_service("shop")
        network.resume()
        with pytest.raises(RemoteTimeout):
            await asked
    assert not await transport.delete_service("shop")


async def test_a_silent_requester_connection_is_closed(broken: Broken, network: Proxy) -> None:
    """Each request waits for less than the timeout, and new connections would work."""
    transport, lag = await broken.connect(), await broken.connect(network.url)
    await lag.declare(feed())
    async with transport.serve("shop", echo):
        assert await lag.request("shop", Request("r1", None, b"1"), seconds=CEILING) == b"re: 1"
        network.swallow()
        with in_time():
            reply, numbers = b"", 0
            while not reply:
                numbers += 1
                try:
                    reply = await lag.request("shop", Request(f"s{numbers}", None, b"2"), seconds=TIMEOUT / 2)
                except (NotSent, RemoteTimeout):
                    continue
            assert reply == b"re: 2"
            assert numbers > 1
            try:
                await lag.waiting(feed())
            except TransientFailure:
                assert await lag.waiting(feed()) == 0


async def test_an_application_that_stops_leaves_requests_to_another(broken: Broken) -> None:
    """An application that stops under load finishes its requests.

    No client gets an error, and no request is handled twice.
    """
    store, handled = InMemory(), list[int]()

    def application() -> Application:
        app = Application(
            "depot", write=store, transport=RabbitMQ(broken.server.url, prefix=broken.prefix, timeout=CEILING)
        )

        @app.command_handler(Pack)
        async def pack(command: Pack) -> int:
            await asyncio.sleep(0.02)
            handled.append(command.number)
            return command.number

        app.serve(Pack)
        return app

    commands = RemoteCommandBus(await broken.connect(timeout=CEILING), "depot", timeout=CEILING)
    async with AsyncExitStack() as one:
        await one.enter_async_context(application())
        async with application():
            sent = [
                asyncio.create_task(
                    commands.dispatch(Pack(number=number), key=f"k{number % 4}" if number % 2 else None)
                )
                for number in range(200)
            ]
            await until(lambda: len(handled) >= 20, "some were to be handled")
            with in_time():
                await one.aclose()
            assert await asyncio.gather(*sent) == list(range(200))
    assert sorted(handled) == list(range(200))


async def test_a_wrong_clock_does_not_drop_delivered_requests(
    broken: Broken, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose clock is ahead replies, and logs that the clocks differ."""

    class Ahead:
        """A clock."""

        times = iter([time.time(), time.time() + 2 * CEILING])

        def time(self) -> float:
            """Return the requester's time, then the server's."""
            return next(self.times)

    transport = await broken.connect()
    async with transport.serve("shop", echo):
        monkeypatch.setattr(_request_wire, "time", Ahead())
        assert await transport.request("shop", Request("r1", None, b"one"), seconds=CEILING) == b"re: one"
    assert "Check the clocks of this machine and of the requester" in caplog.text


async def test_a_malformed_request_blocks_no_other_request(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """A deadline in the far future, and a reply queue of another program, are ignored."""
    caplog.set_level(logging.WARNING, "twofold.rabbitmq")
    transport = await broken.connect()

    async def refuse(request: Request) -> bytes:
        if request.body == b"evil":
            raise ValueError("no")
        return await echo(request)

    async with transport.serve("shop", refuse, concurrency=1), broken.administrator() as channel:
        await channel.queue_declare(f"{broken.prefix}.victim", auto_delete=True)
        forged = {"id": "r0\nCRITICAL forged"}
        for headers, body in [({"deadline": 2**62}, b"evil")] * 8 + [({}, b"fine"), (forged, b"late")]:
            await channel.basic_publish(
                body,
                exchange=f"{broken.prefix}:requests",
                routing_key="any.shop",
                properties=spec.Basic.Properties(
                    headers=dict(headers),
                    reply_to=f"{broken.prefix}.victim",
                    expiration="60000" if not headers else None,  # without one, a request is late
                ),
            )
        assert await transport.request("shop", Request("r1", None, b"one"), seconds=CEILING) == b"re: one"
        found = await channel.queue_declare(f"{broken.prefix}.victim", passive=True)
        assert found.message_count == 0
        await channel.queue_delete(f"{broken.prefix}.victim")
    assert "drops" in caplog.text
    assert "\nCRITICAL" not in caplog.text
    assert "the address is a queue and not a requester" in caplog.text
