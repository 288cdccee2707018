"""Texts that are too long are refused or truncated before the broker would close the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiormq
import pytest
from aiormq import spec
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.brokers import open_broker
from twofold.errors import MessageTooLarge
from twofold.ports import Outcome, Transport, WireMessage
from twofold.testing.conformance._tools.transport_opened import feed, message, publish, taken
from twofold_rabbitmq import RabbitMQ


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the driver knows no other loop."""
    return "asyncio"


@pytest.fixture
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    """Give a RabbitMQ on which there is nothing."""
    async with open_broker("rabbitmq", request) as connect:
        yield await connect()


async def test_a_long_reason_is_cut(transport: Transport) -> None:
    """A message whose reason would not fit is parked all the same, and the next one is received."""
    async with transport.consume(feed()) as consumer:
        await publish(transport, message("bad"), message("good"))
        bad, good = await taken(consumer, 2)
        await consumer.park(bad, "x" * 300_000)
        await consumer.accept([good])
    (parked,) = await transport.parked("mail")
    assert parked.message == bad.message
    assert parked.reason == "x" * 4_000


async def test_reading_parked_messages_does_not_remove_them(transport: Transport) -> None:
    """Parked messages stay parked, however often they are read."""
    async with transport.consume(feed()) as consumer:
        await publish(transport, message("bad"))
        (bad,) = await taken(consumer, 1)
        await consumer.park(bad, "no")
    for _ in range(30):
        assert len(await transport.parked("mail")) == 1


LONG: dict[str, Callable[[], WireMessage]] = {
    "id": lambda: message()._replace(id="x" * 300),
    "topic": lambda: message(topic="x" * 300),
    "key": lambda: message(key="x" * 200_000),
}


@pytest.mark.parametrize("what", LONG)
async def test_a_name_that_is_too_long_is_refused(transport: Transport, what: str) -> None:
    """Nothing of that call is sent, and the next call is as good as ever."""
    await transport.declare(feed())
    with pytest.raises(MessageTooLarge, match=f"its {what} has"):
        await transport.publisher.publish([message("before"), LONG[what]()])
    assert await transport.waiting(feed()) == 0
    assert await transport.publisher.publish([message("after")]) == [Outcome.CONFIRMED]


async def test_a_message_with_a_large_key_is_parked(rabbitmq_url: str, transport: Transport) -> None:
    """A message of another program may fill a frame: its key is truncated, and the connection stays open."""
    await transport.declare(feed())
    await _publish(
        rabbitmq_url, transport, b"broken", spec.Basic.Properties(message_id="big", headers={"key": "x" * 130_800})
    )
    async with transport.consume(feed()) as consumer:
        (big,) = await taken(consumer, 1)
        assert big.message.key == "x" * 130_800
        await consumer.park(big, "no")
        await publish(transport, message("good"))
        (good,) = await taken(consumer, 1)
        await consumer.accept([good])
        assert good.message.body == b"good"
    (parked,) = await transport.parked("mail")
    assert (parked.message.id, parked.message.body, parked.message.key) == ("big", b"broken", "x" * 4_000)


async def test_a_message_that_is_parked_twice_is_stored_once(transport: Transport) -> None:
    """The message is listed once, and redelivered once."""
    async with transport.consume(feed()) as consumer:
        same = message("bad")
        for _ in range(2):
            await publish(transport, same)
            (bad,) = await taken(consumer, 1)
            await consumer.park(bad, "no")
    assert [each.message for each in await transport.parked("mail")] == [same]
    assert await transport.unpark("mail", [same.id], again=True) == 1
    assert await transport.parked("mail") == []
    assert await transport.waiting(feed()) == 1


async def test_a_message_that_cannot_be_decoded_is_parked(rabbitmq_url: str, transport: Transport) -> None:
    """Such a message breaks the connection once. It then arrives without its properties, and the next message follows."""
    await transport.declare(feed())
    await _publish(
        rabbitmq_url, transport, b"x", spec.Basic.Properties(message_id="MMMM"), replaced=(b"MMMM", b"\xff\xfe\xfd\xfc")
    )
    await publish(transport, message("good"))
    async with transport.consume(feed()) as consumer:
        bad, good = await taken(consumer, 2)
        assert (bad.message, good.message.body) == (WireMessage("", "", None, b"x"), b"good")
        await consumer.park(bad, "no")
        await consumer.accept([good])
    (parked,) = await transport.parked("mail")
    assert parked.message.body == b"x"


async def _publish(
    url: str,
    transport: Transport,
    body: bytes,
    properties: spec.Basic.Properties,
    *,
    replaced: tuple[bytes, bytes] | None = None,
) -> None:
    """Publish hand-written frames, as another program may."""
    assert isinstance(transport, RabbitMQ)
    way = transport._topology
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        assert isinstance(channel, aiormq.Channel)
        publishing = spec.Basic.Publish(exchange=way.exchange, routing_key=way.routing_key(None, message().topic))
        frames: list[spec.Basic.Publish | ContentHeader | ContentBody] = [
            publishing,
            ContentHeader(properties=properties, body_size=len(body)),
            ContentBody(body),
        ]
        data = b"".join(frame.marshal(each, channel.number) for each in frames)
        if replaced is not None:
            data = data.replace(*replaced)
        await channel.write_queue.put(ChannelFrame(payload=data, should_close=False, drain_future=None))
        await channel.basic_qos(prefetch_count=0)  # answered when the broker has it
