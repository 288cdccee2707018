"""Publish over one channel, many messages at a time, and tell what the broker said of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiormq
from aiormq import spec

from twofold.errors import ConfigurationError, MessageTooLarge, TransientFailure, TwofoldError
from twofold.ports import Outcome, WireMessage, check_body

from ._connection import LOST, losses
from ._link import Link
from ._topology import Topology
from ._turns import Turns

logger = logging.getLogger("twofold.rabbitmq")


_LONGEST_NAME = 240
"""How long ids and topics are at most, in bytes: the protocol's short texts have 255."""

LONGEST_KEY = 4_000
"""How long keys are at most, in bytes: they travel in a frame that the broker bounds."""


@dataclass(slots=True)
class _Call:
    """One call of `publish`.

    Attributes:
        messages: what it publishes.
        outcomes: what became of each.
        losses_before: how often the broker had been lost when it began.
        given_up: whether it was cancelled.
    """

    messages: Sequence[WireMessage]
    outcomes: list[Outcome]
    losses_before: int
    given_up: bool = False


class RabbitMQPublisher:
    """Keeps up to `window` messages of different keys on their way, and one of each key.

    RabbitMQ confirms messages of one queue out of order when it refuses one of them, and answers an unroutable one although
    the next may find a queue that was bound meanwhile. So the next of a key waits for the one before.

    Args:
        link: the connection and its channel.
        topology: how messages are addressed.
        window: how many messages may be unconfirmed at a time.
        timeout: how long a confirmation may take, in seconds.
    """

    def __init__(self, link: Link, topology: Topology, *, window: int, timeout: float) -> None:
        self._link = link
        self._topology = topology
        self._window = asyncio.Semaphore(window)
        self._timeout = timeout
        self._turns = Turns()
        self._losses = 0
        self._sending: set[asyncio.Task[None]] = set()
        self.trouble: str | None = None
        """Why the last message that was tried was not confirmed; see `Publisher`."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages; return what became of each."""
        for message in messages:
            check_body(message.body, f"publish {message.topic[:80]} {message.id[:80]}")
            for what, text, limit in (
                ("id", message.id, _LONGEST_NAME),
                ("topic", message.topic, _LONGEST_NAME),
                ("key", message.key or "", LONGEST_KEY),
            ):
                if len(text.encode()) > limit:
                    raise MessageTooLarge(
                        f"cannot publish {message.topic[:80]} {message.id[:80]}: its {what} has {len(text.encode())} bytes, "
                        f"and {limit} are the limit. Use a shorter one, such as a hash."
                    )
        call = _Call(messages, [Outcome.UNSENT] * len(messages), self._losses)
        for run in _runs(messages):
            if messages[run[0]].key is None and any(each is not Outcome.CONFIRMED for each in call.outcomes[: run[0]]):
                break
            chains: dict[str | None, list[int]] = {}
            for index in run:
                chains.setdefault(messages[index].key, []).append(index)
            await self._all_of(call, chains.values())
        return call.outcomes

    async def _all_of(self, call: _Call, chains: Iterable[Sequence[int]]) -> None:
        """Publish chains at the same time.

        The driver closes its channel when a message comes back that its sender has given up. So what is on its way goes on
        when the caller is cancelled, and what is not is left.
        """
        sending = [asyncio.create_task(self._chain(call, chain)) for chain in chains]
        self._sending.update(sending)
        try:
            await asyncio.wait(sending)
        except asyncio.CancelledError:
            call.given_up = True
            raise
        finally:
            for each in sending:
                each.add_done_callback(self._sending.discard)
        for each in sending:
            each.result()

    async def _chain(self, call: _Call, chain: Sequence[int]) -> None:
        """Publish messages of one key, one after another, up to the first that is not confirmed.

        Once the broker was lost, all that are still waiting give up together, so that nobody waits for more than one
        time-out.
        """
        async with self._turns.of(call.messages[chain[0]].key):
            for index in chain:
                async with self._window:
                    if call.given_up:
                        return
                    lost = self._losses != call.losses_before
                    outcome = call.outcomes[index] = Outcome.UNKNOWN if lost else await self._send(call.messages[index])
                if outcome is not Outcome.CONFIRMED:
                    return

    async def _send(self, message: WireMessage) -> Outcome:
        channel: aiormq.Channel | None = None
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    channel = await self._link.channel()
                    await channel.basic_publish(
                        message.body,
                        exchange=self._topology.exchange,
                        routing_key=self._topology.routing_key(message.key, message.topic),
                        properties=properties_of(message),
                        mandatory=True,
                        wait=False,
                    )
        except aiormq.PublishError:
            self.trouble = None
            return Outcome.UNROUTABLE
        except aiormq.DeliveryError:
            self.trouble = "RabbitMQ has refused it: a queue is full, or does not keep it"
            logger.warning("the broker has refused %s %s: it is not kept by every queue.", message.topic, message.id)
            return Outcome.UNKNOWN
        except (*LOST, TransientFailure, ConfigurationError) as error:
            self._lost(channel, error)
            return Outcome.UNKNOWN
        self.trouble = None
        return Outcome.CONFIRMED

    def _lost(self, channel: aiormq.Channel | None, error: BaseException) -> None:
        """Take note of a loss, once for each channel. A connection that says nothing is no better for the others."""
        if channel is None or self._link.forget(channel, cut=isinstance(error, TimeoutError)):
            self._losses += 1
            found = str(error) or f"no answer within {self._timeout:g} s"
            trouble = found if isinstance(error, TwofoldError) else f"{type(error).__name__}: {found}"
            if trouble != self.trouble:
                self.trouble = trouble
                logger.warning("publishing was interrupted, and what was not confirmed is published again: %s", trouble)


def properties_of(message: WireMessage, **headers: str) -> spec.Basic.Properties:
    """Return what travels beside the body.

    The id is a header: the driver tells by `message_id` which of its sends comes back, and makes one for each.
    """
    known = {"id": message.id, **({} if message.key is None else {"key": message.key}), **headers}
    return spec.Basic.Properties(
        content_type="application/cloudevents+json",
        delivery_mode=2,
        headers=dict(known),
        message_type=message.topic,
    )


def _runs(messages: Sequence[WireMessage]) -> list[list[int]]:
    """Part messages where one has no key: it stands alone, behind all before it and before all behind it."""
    runs: list[list[int]] = []
    for index, message in enumerate(messages):
        if not runs or message.key is None or messages[runs[-1][-1]].key is None:
            runs.append([])
        runs[-1].append(index)
    return runs
