"""What is too long is refused, or cut, before the broker closes the connection because of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.brokers import open_broker
from twofold.errors import MessageTooLarge
from twofold.ports import Outcome, Transport, WireMessage
from twofold.testing.conformance._transport_opened import feed, message, publish, taken


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


async def test_looking_at_what_is_parked_leaves_it_there(transport: Transport) -> None:
    """However often."""
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
