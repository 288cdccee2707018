"""Applications that start while RabbitMQ is unavailable: they connect later, or report the reason of a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.domains.shops import Sold
from tests.servers.proxy import Proxy
from tests.transport.late import LateBrokerCases, started
from twofold import Application, Command, RemoteCommandBus
from twofold.errors import ConfigurationError, NotSent
from twofold.ports import Request
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemory
from twofold_rabbitmq import RabbitMQ


class Pack(Command[str], name="depot.pack"):
    pass


@pytest.fixture
def connect(network: Proxy) -> Callable[[], RabbitMQ]:
    """Return a function that creates transports, as separate processes would."""
    prefix = f"t{time.monotonic_ns()}"
    return lambda: RabbitMQ(network.url, prefix=prefix, timeout=2.0)


class Refusal:
    """Refuses connections to the broker: a stop and a start of RabbitMQ would take 4 s of CPU in each test."""

    def __init__(self, network: Proxy) -> None:
        self._network = network

    async def begin(self) -> None:
        """Break every connection, and each new one."""
        self._network.refuse()

    async def end(self) -> None:
        """Accept connections again."""
        self._network.resume()


@pytest.fixture
def outage(network: Proxy) -> Refusal:
    """Return an outage that has not begun."""
    return Refusal(network)


class TestLateBroker(LateBrokerCases):
    """Over RabbitMQ."""


async def test_servers_and_requesters_wait_for_the_broker(network: Proxy, connect: Callable[[], RabbitMQ]) -> None:
    """A command is not sent while the broker is unavailable. It is answered once the broker is reachable."""
    network.refuse()
    app = Application("depot", write=InMemory(), requests=connect())

    @app.command_handler(Pack)
    async def pack(command: Pack) -> str:
        return "packed"

    app.serve(Pack)
    async with started(app):
        assert any("depot cannot serve requests: " in each for each in await problems_of(app))
        async with connect() as broker:
            commands = RemoteCommandBus(broker, "depot", timeout=10 * CEILING)
            with (
                in_time(),
                pytest.raises(
                    NotSent, match=r"cannot send Pack to 'depot'. Nothing was done.*RabbitMQ does not answer"
                ),
            ):
                await commands.dispatch(Pack())
            network.resume()

            async def healthy() -> bool:
                return (await app.health()).healthy

            await until(healthy, "the application was to serve")
            assert await commands.dispatch(Pack()) == "packed"


async def test_a_short_deadline_is_kept(network: Proxy) -> None:
    """A request that cannot be sent before its deadline is not sent, whatever the adapter's own timeout is."""
    network.refuse()
    async with RabbitMQ(network.url, timeout=10 * CEILING) as broker:
        with (
            in_time(),
            pytest.raises(
                NotSent,
                match="Nothing was sent to 'shop', because the broker is not available: RabbitMQ does not answer",
            ),
        ):
            await broker.request("shop", Request("r1", None, b""), seconds=0.5)


async def test_a_refused_start_leaves_nothing_open(
    connect: Callable[[], RabbitMQ], network: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Another number of partitions is refused when the application starts, in words, and its connection is closed."""
    first = Application("depot", write=InMemory(), transport=connect())
    first.consume(Sold, source="shop", partitions=4)
    async with first:
        pass
    second = Application("depot", write=InMemory(), transport=connect())
    second.consume(Sold, source="shop", partitions=2)
    with pytest.raises(
        ConfigurationError,
        match=r"cannot receive 'depot\.shop' in 2 partitions: it has 4, .*delete_consumer\('depot\.shop'\)",
    ) as raised:
        async with second:
            pass
    assert "alternate-exchange" not in str(raised.value)
    await until(lambda: network.connections == 0, "every connection was to be closed")
    assert not [each for each in caplog.records if each.name == "asyncio"]
