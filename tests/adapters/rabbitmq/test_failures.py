"""Publishing and receiving while the broker is restarted, killed, paused or cut off, and while it loses its queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from inspect import signature

import pytest

from tests.adapters.rabbitmq.broken import SOON, Broken, Received, feed, placed, publish_all, receiving
from tests.servers.proxy import Proxy
from twofold.errors import ConfigurationError
from twofold.ports import Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold.testing.conformance._tools.transport_opened import by_key
from twofold_rabbitmq import RabbitMQ, _supervision
from twofold_rabbitmq._connection import CHECK

BACK = 10.0
"""The maximum seconds from the broker's return to the next attempt to receive, with the default timeout."""


def test_a_consumer_is_back_within_ten_seconds() -> None:
    """The longest delay and one failing attempt together do not exceed the limit."""
    timeout = signature(RabbitMQ).parameters["timeout"].default
    assert _supervision._LAST_PAUSE + CHECK + timeout <= BACK


async def test_thousands_of_messages_survive_a_restart_and_a_kill(broken: Broken, everywhere: bool) -> None:
    """Nothing is lost, and every key is in order."""
    count = 10_000 if everywhere else 3_000
    messages = placed(count)
    publishing, one, other = [await broken.connect() for _ in range(3)]
    # A queue that was declared just before a power cut never answers again, as RabbitMQ syncs its registry only now and
    # then; the restart has it on the disk before the kill.
    breaks = [(count // 3, broken.server.stop), (count // 2, broken.server.kill)]
    restarts: list[asyncio.Task[None]] = []

    def confirmed(number: int) -> None:
        if breaks and number >= breaks[0][0] and all(each.done() for each in restarts):
            restarts.append(asyncio.create_task(asyncio.to_thread(_restart, broken, breaks.pop(0)[1])))

    received, wanted = Received(), feed(partitions=4)
    async with receiving(one, wanted, received), receiving(other, wanted, received):
        await publish_all(publishing, messages, confirmed=confirmed)
        await asyncio.gather(*restarts)
        await received.all_of(messages)
    assert len(restarts) == 2
    assert by_key(received.messages) == by_key(messages)


def _restart(broken: Broken, end: Callable[[], None]) -> None:
    end()
    broken.server.start()


async def test_all_connections_are_closed_by_force(broken: Broken) -> None:
    """Publishing and receiving continue over new connections. No message is lost, and every key is in order."""
    messages = placed(2_000)
    transport = await broken.connect()
    closed: list[asyncio.Task[str]] = []

    def confirmed(number: int) -> None:
        if number >= 1_000 and not closed:
            closed.append(asyncio.create_task(broken.control("close_all_connections", "test")))

    async with receiving(transport, feed(partitions=2)) as received:
        await publish_all(transport, messages, confirmed=confirmed)
        await asyncio.gather(*closed)
        await received.all_of(messages)
    assert closed
    assert by_key(received.messages) == by_key(messages)


async def test_a_queue_is_deleted(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """A deleted queue is created again with its bindings and is received from. A warning reports the loss."""
    transport = await broken.connect()
    before, after = placed(100), placed(100)
    async with receiving(transport, feed(partitions=2)) as received:
        await publish_all(transport, before)
        await received.all_of(before)
        async with broken.administrator() as channel:
            await channel.queue_delete(f"{broken.prefix}.mail.0")
        await publish_all(transport, after)
        await received.all_of(after)
    told = [each.getMessage() for each in caplog.records if each.name == "twofold.rabbitmq"]
    assert any(f"{broken.prefix}.mail.0" in each for each in told), told


async def test_the_exchange_is_deleted(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is confirmed until it is there again with its bindings; then all arrives."""
    transport = await broken.connect()
    await transport.declare(feed(partitions=2))
    async with broken.administrator() as channel:
        await channel.exchange_delete(broken.prefix)
    messages = placed(200)
    publishing = asyncio.create_task(publish_all(transport, messages))
    await until(lambda: "publishing was interrupted" in caplog.text, "publishing was to be interrupted")
    async with receiving(transport, feed(partitions=2)) as received:
        await publishing
        await received.all_of(messages)
    assert by_key(received.messages) == by_key(messages)


async def test_a_paused_broker(broken: Broken) -> None:
    """Publishing to a paused broker fails within the timeout, whatever the backlog. Afterwards everything works."""
    transport = await broken.connect()
    async with receiving(transport, feed(partitions=2)) as received:
        await publish_all(transport, placed(100))
        lost = placed(2_000, keys=1_000)
        with broken.server.paused():
            outcomes = await _unknown(transport, lost)
        await publish_all(
            transport, [each for each, how in zip(lost, outcomes, strict=True) if how is not Outcome.CONFIRMED]
        )
        await received.all_of(lost)
    assert by_key(lost).items() <= {key: _of(received.messages, lost, key) for key in by_key(lost)}.items()


def _of(received: list[WireMessage], sent: list[WireMessage], key: str | None) -> list[WireMessage]:
    known = set(sent)
    return [each for each in received if each in known and each.key == key]


async def _unknown(transport: RabbitMQ, messages: list[WireMessage]) -> list[Outcome]:
    """Publish messages to a broker that does not respond, from two tasks, and check that none succeeds."""
    half = len(messages) // 2
    with in_time(SOON):
        first, second = await asyncio.gather(
            transport.publisher.publish(messages[:half]), transport.publisher.publish(messages[half:])
        )
    outcomes = [*first, *second]
    assert set(outcomes) <= {Outcome.UNKNOWN, Outcome.UNSENT}
    return outcomes


async def test_a_stalled_network(broken: Broken, network: Proxy) -> None:
    """Publishing over a stalled network fails within the timeout. Publisher and consumer recover afterwards."""
    transport, lag = await broken.connect(), await broken.connect(network.url)
    messages = placed(2_000, keys=1_000)
    async with receiving(lag, feed()) as received:
        before = placed(100)
        await publish_all(lag, before)
        await received.all_of(before)
        network.stall()
        await _unknown(lag, messages)
        assert set(await lag.publisher.publish(messages[:10])) == {Outcome.UNKNOWN}  # it cannot even connect
        meanwhile = placed(100)
        await publish_all(transport, meanwhile)
        network.resume()
        await publish_all(lag, messages)
        await received.all_of([*messages, *meanwhile])
        network.cut()
        after = placed(100)
        await publish_all(lag, after)
        await received.all_of(after)


async def test_settling_behind_a_stalled_network_ends(broken: Broken, network: Proxy) -> None:
    """Accepting over a stalled network ends within the timeout.

    Messages whose acceptance was not sent are redelivered.
    """
    transport = await broken.connect()
    lag = await broken.connect(network.url)
    messages = placed(150)
    async with lag.consume(feed()) as consumer:
        await publish_all(transport, messages)
        deliveries = list(await consumer.receive(limit=200))
        while len(deliveries) < len(messages):
            deliveries += await consumer.receive(limit=200)
        network.stall()
        with in_time(SOON):
            for each in reversed(deliveries):
                await consumer.accept([each])
        network.cut()
    async with receiving(transport, feed()) as received:
        await received.all_of(messages)


async def test_poison_is_parked_alone(broken: Broken) -> None:
    """With fifty unsettled messages, exactly the one that cannot be handled is parked; the others are accepted."""
    transport = await broken.connect(prefetch=50)
    messages = placed(500)
    poison, done = messages[222], set[str]()
    async with transport.consume(feed()) as consumer:
        await publish_all(transport, messages)
        while len(done) < len(messages) - 1:
            for each in await consumer.receive():
                if each.message.id != poison.id:
                    await consumer.accept([each])
                    done.add(each.message.id)
                else:
                    await consumer.park(each, "it is poison")
        assert [(each.message, each.reason) for each in await transport.parked("mail")] == [(poison, "it is poison")]
        assert await transport.waiting(feed()) == 0


async def test_thousands_of_publishers_share_a_channel(broken: Broken, everywhere: bool) -> None:
    """Thousands of tasks that publish at the same time use one connection and at most three channels."""
    transport = await broken.connect(timeout=CEILING)
    await transport.declare(feed())
    number = 10_000 if everywhere else 2_000
    publishing = [asyncio.create_task(transport.publisher.publish([each])) for each in placed(number, keys=number)]
    assert {outcome for outcomes in await asyncio.gather(*publishing) for outcome in outcomes} == {Outcome.CONFIRMED}
    # None is closed after use, so all that there were are there still.
    channels = (await broken.control("list_channels", "--no-table-headers", "connection")).split()
    assert len(channels) <= 3
    assert len(set(channels)) <= 1


async def test_the_last_accepted_message_is_not_redelivered(broken: Broken) -> None:
    """Closing a consumer waits until the broker has received its acceptances."""
    transport = await broken.connect()
    messages = placed(200)
    async with transport.consume(feed()) as consumer:
        await publish_all(transport, messages)
        found = 0
        while found < len(messages):
            deliveries = await consumer.receive(limit=7)
            found += len(deliveries)
            await consumer.accept(deliveries)

    async def nothing_waits() -> bool:
        return await transport.waiting(feed()) == 0

    await until(nothing_waits, "a quorum queue was to count what it has applied")


async def test_another_number_of_partitions(broken: Broken) -> None:
    """Another number of partitions is refused. The error names the existing one and the remedy."""
    transport = await broken.connect()
    await transport.declare(feed(partitions=4))
    with pytest.raises(ConfigurationError, match="cannot receive 'mail' in 2 partitions: it has 4, ") as failure:
        await transport.declare(feed(partitions=2))
    assert "delete_consumer('mail')" in str(failure.value)
    assert "alternate-exchange" not in str(failure.value)
    with pytest.raises(ConfigurationError, match="cannot divide 'other' into 65 partitions: the maximum is 64"):
        await transport.declare(feed("other", partitions=65))
    with pytest.raises(ConfigurationError, match="another name"):
        async with transport.consume(feed(partitions=8)):
            pass
    await transport.declare(feed(partitions=4))


async def test_an_exchange_of_another_kind(broken: Broken) -> None:
    """An exchange of another type is refused when the application starts. The error names the remedy."""
    async with broken.administrator() as channel:
        await channel.exchange_declare(broken.prefix, exchange_type="fanout")
    with pytest.raises(ConfigurationError, match="prefix="):
        await broken.connect()


async def test_a_cancelled_publish_does_not_disturb_others(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """Cancelling a publication does not affect concurrent ones. Its keys can be published again."""
    caplog.set_level(logging.WARNING, "twofold.rabbitmq")
    transport = await broken.connect(timeout=CEILING)
    messages = placed(2_000, keys=100)
    async with receiving(transport, feed()) as received:
        given_up = [asyncio.create_task(transport.publisher.publish(placed(100, keys=100))) for _ in range(10)]
        kept = asyncio.create_task(transport.publisher.publish(messages))
        for number, each in enumerate(given_up):
            for _ in range(number):
                await asyncio.sleep(0)
            each.cancel()
        assert set(await kept) == {Outcome.CONFIRMED}
        await received.all_of(messages)
    assert not caplog.messages
