"""The window of a consumer: deliveries up to its limit, settled only over the connection that delivered them."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from tests.adapters.rabbitmq.broken import Broken, feed, placed, publish_all
from tests.servers.proxy import Proxy
from twofold.errors import TransientFailure
from twofold.ports import Delivery, WireMessage
from twofold.testing.conformance._tools.in_time import until
from twofold_rabbitmq import _supervision
from twofold_rabbitmq._connection import Connection
from twofold_rabbitmq._consumer import RabbitMQConsumer
from twofold_rabbitmq._supervision import Supervisor
from twofold_rabbitmq._window import Receipt, Window


class Enough(Exception):
    """Ends an endless loop."""


async def until_unsettled(consumer: RabbitMQConsumer, number: int) -> None:
    """Wait until the broker has delivered this number of messages."""
    await until(lambda: consumer.unsettled == number, lambda: f"{number} were to be there, not {consumer.unsettled}")


def delivery(tag: int) -> Delivery:
    """Return a delivery of the first channel."""
    return Delivery(WireMessage(str(tag), "t", "k", b""), 0, Receipt(1, tag))


def test_settling_moves_the_tag_below_which_all_is_settled() -> None:
    """Deliveries beyond an unsettled one are settled one by one, and only once."""
    window = Window(1)
    for tag in (1, 2, 3, 4):
        window.add(tag, delivery(tag))
    assert [each.message.id for each in window.take(3)] == ["1", "2", "3"]
    assert window.settle([1, 3]) == (1, [3])
    assert window.settle([1, 3]) == (None, [])
    assert (window.ready, len(window)) == (True, 2)
    assert [each.message.id for each in window.take(10)] == ["4"]
    assert window.settle([2, 4]) == (4, [])
    assert (window.ready, len(window)) == (False, 0)


async def test_no_more_than_the_prefetch_is_delivered(broken: Broken) -> None:
    """All other messages wait at the broker."""
    transport = await broken.connect(prefetch=5)
    await transport.declare(feed())
    await publish_all(transport, placed(40))
    async with transport.consume(feed()) as consumer, broken.administrator() as channel:
        await until(lambda: consumer.unsettled >= 5, "five messages were to be there")
        found = await channel.queue_declare(f"{broken.prefix}.mail.0", passive=True)
        assert found.message_count == 35
        assert len(await consumer.receive()) == consumer.unsettled == 5


async def test_a_delivery_of_a_lost_connection_settles_nothing(broken: Broken, network: Proxy) -> None:
    """Accepting or parking a delivery of a lost connection does not settle its namesake on the new connection."""
    transport, lag = await broken.connect(), await broken.connect(network.url)
    async with lag.consume(feed()) as consumer:
        await publish_all(transport, placed(3))
        await until_unsettled(consumer, 3)
        old = await consumer.receive()
        network.cut()
        await until_unsettled(consumer, 0)
        with pytest.raises(TransientFailure, match=r"cannot park .* The message is delivered again"):
            await consumer.park(old[0], "no")
        await until_unsettled(consumer, 3)
        again = await consumer.receive()
        await consumer.accept(old)
        with pytest.raises(TransientFailure, match=r"cannot park .* The message is delivered again"):
            await consumer.park(old[0], "no")
        assert consumer.unsettled == 3
        await consumer.accept(again)
    assert await transport.waiting(feed()) == 0
    assert not await transport.parked("mail")


async def test_a_late_delivery_of_a_lost_connection_is_dropped(broken: Broken, network: Proxy) -> None:
    """The driver may hand it over when the next connection is there already, and the broker delivers it again."""
    transport, lag = await broken.connect(), await broken.connect(network.url)
    (message,) = placed(1)
    late = asyncio.Event()
    async with lag.consume(feed()) as consumer:
        delivered, held = consumer._delivered, []

        async def hold(*arguments: object) -> None:
            held.append(arguments)
            late.set()

        consumer._delivered = hold  # type: ignore[method-assign, assignment]
        network.cut()
        await publish_all(transport, [message])
        await late.wait()
        consumer._delivered = delivered  # type: ignore[method-assign]
        network.cut()
        await until_unsettled(consumer, 1)
        await delivered(*held[0])  # type: ignore[arg-type]
        assert consumer.unsettled == 1
        assert [each.message for each in await consumer.receive()] == [message]


async def test_the_backoff_is_reset_after_a_steady_connection(
    broken: Broken, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delays grow while connections break immediately, and start again at the first delay after a steady connection."""
    lasted = iter([1_000.0, 1_000.0, 1_000.0, -1.0, 1_000.0])

    async def breaks(connection: Connection) -> None:
        steady = next(lasted, None)
        if steady is None:
            raise Enough
        monkeypatch.setattr(_supervision, "_STEADY", steady)
        raise TransientFailure("it broke")

    caplog.set_level(logging.WARNING, "twofold.rabbitmq")
    supervisor = Supervisor("mail", broken.server.url, {}, 5.0, breaks)
    with pytest.raises(Enough):
        await supervisor.run()
    pauses = [float(each.args[1]) for each in caplog.records if isinstance(each.args, tuple)]  # type: ignore[arg-type]
    grows = [after > before for before, after in pairwise(pauses)]
    assert grows == [True, True, False, True]
