"""The publisher reports the true outcome of each message."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.adapters.rabbitmq.broken import TOPIC, Broken, feed, placed
from twofold.ports import Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_rabbitmq import RabbitMQ


async def test_one_id_under_two_keys_without_a_receiver(broken: Broken) -> None:
    """Neither message is a success."""
    transport = await broken.connect()
    messages = [WireMessage("1", "nobody", key, b"x") for key in ("a", "b", "c")]
    assert await transport.publisher.publish(messages) == [Outcome.UNROUTABLE] * 3


async def test_a_cancelled_message_without_a_receiver_does_not_disturb_others(broken: Broken) -> None:
    """Cancelling an unroutable message does not affect concurrent messages on the same channel."""
    transport = await broken.connect(timeout=CEILING)
    await transport.declare(feed())
    outcomes: set[Outcome] = set()
    for round_ in range(30):
        lost = [WireMessage(f"u{round_}-{number}", "nobody", f"u{number}", b"x") for number in range(20)]
        given_up = [asyncio.create_task(transport.publisher.publish([each])) for each in lost]
        kept = asyncio.create_task(transport.publisher.publish(placed(50)))
        for _ in range(round_ % 8):
            await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        outcomes |= set(await kept)
    assert outcomes == {Outcome.CONFIRMED}


async def test_a_message_for_all_waits_for_unconfirmed_messages(broken: Broken) -> None:
    """A message without a key is sent after all earlier messages, or not at all."""
    transport = await broken.connect()
    await transport.declare(feed())
    messages = [WireMessage("1", "nobody", "k", b"x"), WireMessage("2", TOPIC, None, b"x")]
    assert await transport.publisher.publish(messages) == [Outcome.UNROUTABLE, Outcome.UNSENT]
    assert await transport.waiting(feed()) == 0


async def test_an_unavailable_broker_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line is logged, however many messages are published."""
    caplog.set_level(logging.WARNING, "twofold.rabbitmq")
    transport = RabbitMQ("amqp://guest:guest@127.0.0.1:1/", timeout=1.0)
    assert set(await transport.publisher.publish(placed(1_000, keys=1_000))) == {Outcome.UNKNOWN}
    assert len([each for each in caplog.records if each.name == "twofold.rabbitmq"]) == 1
