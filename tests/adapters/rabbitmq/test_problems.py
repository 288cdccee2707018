"""The adapter and the health of an application report a receiver's problem for as long as it lasts."""

from __future__ import annotations

import pytest

from tests.adapters.rabbitmq.broken import Broken, feed, placed, publish_all
from tests.domains.shops import Sold, depot
from twofold import Application, Command
from twofold.errors import ConfigurationError
from twofold.ports import Request
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemory


class Pack(Command[None], name="depot.pack"):
    pass


async def test_health_reports_a_disconnected_consumer_until_it_is_connected(broken: Broken) -> None:
    """An application that receives and serves is unhealthy while its broker does not respond, and recovers by itself."""
    app = Application("depot", write=InMemory(), transport=await broken.connect())
    app.include(depot)

    @app.command_handler(Pack)
    async def pack(command: Pack) -> None: ...

    app.consume(Sold, source="shop")
    app.serve(Pack)

    async def healthy() -> bool:
        return (await app.health()).healthy

    async def both_are_named() -> bool:
        problems = await problems_of(app)
        return {each.partition(": ")[0] for each in problems} == {
            "depot.shop cannot receive",
            "depot cannot serve requests",
        }

    async with app:
        await until(healthy)
        with broken.server.paused():
            await until(both_are_named)
        await until(healthy)


async def test_serving_survives_a_declaration_of_another_program(broken: Broken) -> None:
    """A server reports that another program has replaced its queue, and serves again after that queue is gone."""

    async def echo(request: Request) -> bytes:
        return request.body

    transport, name = await broken.connect(), f"{broken.prefix}:requests.shop"
    async with transport.serve("shop", echo) as server:

        async def refused() -> bool:
            return "ConfigurationError: cannot serve 'shop' with 1 partitions" in str(server.problem)

        async def serving() -> bool:
            return server.problem is None

        async with broken.administrator() as channel:
            await channel.exchange_delete(name)
            await channel.exchange_declare(name, exchange_type="direct")
            await until(refused)
            await channel.exchange_delete(name)
            await until(serving)
        assert await transport.request("shop", Request("r1", None, b"one"), seconds=CEILING) == b"one"


async def test_a_message_that_cannot_return_to_its_queue_stays_parked(broken: Broken) -> None:
    """A parked message that cannot return to its queue stays parked.

    The error names the remedy, after which it is delivered.
    """
    transport = await broken.connect()
    (message,) = placed(1)
    async with transport.consume(feed()) as consumer:
        await publish_all(transport, [message])
        (found,) = await consumer.receive()
        await consumer.park(found, "no")
    async with broken.administrator() as channel:
        await channel.queue_delete(f"{broken.prefix}.mail.0")
    with pytest.raises(
        ConfigurationError, match=rf"its queue {broken.prefix}.mail.0 does not exist. Start its consumer once"
    ):
        await transport.unpark("mail", [message.id], again=True)
    assert [each.message for each in await transport.parked("mail")] == [message]
    await transport.declare(feed())
    assert await transport.unpark("mail", [message.id], again=True) == 1
    assert await transport.waiting(feed()) == 1


async def test_a_consumer_may_be_called_requests(broken: Broken) -> None:
    """Its queues and exchange are not those of the services under the same prefix."""

    async def echo(request: Request) -> bytes:
        return request.body

    transport, wanted = await broken.connect(), feed("requests")
    (message,) = placed(1)
    async with transport.serve("0", echo), transport.consume(wanted) as consumer:
        await publish_all(transport, [message])
        assert [each.message for each in await consumer.receive()] == [message]
        assert await transport.request("0", Request("r1", "k", b"one"), seconds=CEILING) == b"one"
