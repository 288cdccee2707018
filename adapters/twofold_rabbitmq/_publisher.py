"""Publish many messages at a time over one channel, with a confirm for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiormq
from aio_pika.exceptions import DeliveryError, PublishError

from twofold.errors import ConfigurationError, TransientFailure, TwofoldError
from twofold.ports import KeyLocks, Outcome, WireMessage, logger_of

from ._link import Link
from ._losses import LOST, losses
from ._topology import Topology
from ._wire import check_message, properties_of

logger = logger_of("twofold.rabbitmq")


@dataclass(slots=True)
class _Call:
    """One call of `publish`.

    Attributes:
        messages: the messages.
        outcomes: the outcome of each message.
        losses_before: how often the connection had been lost when the call began.
        cancelled: whether the caller was cancelled.
    """

    messages: Sequence[WireMessage]
    outcomes: list[Outcome]
    losses_before: int
    cancelled: bool = False


class RabbitMQPublisher:
    """Publishes up to `window` messages at the same time, one of each key.

    The next message of a key waits for the confirm of the previous one. RabbitMQ confirms messages of one queue out of order
    if it refuses one of them, and returns an unroutable message although the next one may find a queue that was bound in
    between.

    Args:
        link: the connection.
        topology: the names at the broker.
        window: how many messages may be unconfirmed at a time.
        timeout: how long a confirm may take, in seconds.
    """

    def __init__(self, link: Link, topology: Topology, *, window: int, timeout: float) -> None:
        self._link = link
        self._topology = topology
        self._window = asyncio.Semaphore(window)
        self._timeout = timeout
        self._locks = KeyLocks()
        self._losses = 0
        self._sending: set[asyncio.Task[None]] = set()
        self.problem: str | None = None
        """Why the last message that was sent was not confirmed; see `Publisher`."""

    async def kept(self, topic: str) -> Sequence[bytes]:
        """Return nothing: RabbitMQ confirms a message once a quorum of its nodes has stored it."""
        return ()

    async def resume(self, topic: str) -> None:
        """Do nothing: no message has the outcome BEHIND."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages. Return the outcome of each."""
        for message in messages:
            check_message(message)
        call = _Call(messages, [Outcome.UNSENT] * len(messages), self._losses)
        for run in _runs(messages):
            if messages[run[0]].key is None and any(each is not Outcome.CONFIRMED for each in call.outcomes[: run[0]]):
                break
            chains: dict[str | None, list[int]] = {}
            for index in run:
                chains.setdefault(messages[index].key, []).append(index)
            await self._publish_chains(call, chains.values())
        return call.outcomes

    async def _publish_chains(self, call: _Call, chains: Iterable[Sequence[int]]) -> None:
        """Publish the messages of several keys at the same time.

        aiormq closes a channel when the broker returns a message whose publisher was cancelled. So a cancelled call leaves
        alone the messages that are sent, and does not send the others.
        """
        sending = [asyncio.create_task(self._publish_chain(call, chain)) for chain in chains]
        self._sending.update(sending)
        try:
            await asyncio.wait(sending)
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            for each in sending:
                each.add_done_callback(self._sending.discard)
        for each in sending:
            each.result()

    async def _publish_chain(self, call: _Call, chain: Sequence[int]) -> None:
        """Publish the messages of one key in order, up to the first that is not confirmed.

        After a loss all waiting messages are given up, so that a call does not wait for several timeouts.
        """
        async with self._locks.hold(call.messages[chain[0]].key):
            for index in chain:
                async with self._window:
                    if call.cancelled:
                        return
                    lost = self._losses != call.losses_before
                    outcome = call.outcomes[index] = Outcome.UNKNOWN if lost else await self._send(call.messages[index])
                if outcome is not Outcome.CONFIRMED:
                    return

    async def _send(self, message: WireMessage) -> Outcome:
        channel: aiormq.Channel | None = None
        try:
            with losses():
                loop = asyncio.get_running_loop()
                end = loop.time() + self._timeout
                channel = await self._link.channel()
                await channel.basic_publish(
                    message.body,
                    exchange=self._topology.exchange,
                    routing_key=self._topology.routing_key(message.key, message.topic),
                    properties=properties_of(message),
                    mandatory=True,
                    wait=False,
                    timeout=end - loop.time(),
                )
        except PublishError:
            self.problem = None
            return Outcome.UNROUTABLE
        except DeliveryError:
            self.problem = "RabbitMQ refuses the message: a queue is full or unavailable"
            logger.warning("RabbitMQ refuses %s %s: a queue is full or unavailable.", message.topic, message.id)
            return Outcome.UNKNOWN
        except (*LOST, TransientFailure, ConfigurationError) as error:
            self._lost(channel, error)
            return Outcome.UNKNOWN
        self.problem = None
        return Outcome.CONFIRMED

    def _lost(self, channel: aiormq.Channel | None, error: BaseException) -> None:
        """Drop the connection and record its loss, once for each channel."""
        if channel is not None and not self._link.drop(channel):
            return
        self._losses += 1
        found = str(error) or f"no answer within {self._timeout:g} s"
        problem = found if isinstance(error, TwofoldError) else f"{type(error).__name__}: {found}"
        if problem != self.problem:
            self.problem = problem
            logger.warning("publishing was interrupted; unconfirmed messages are published again: %s", problem)


def _runs(messages: Sequence[WireMessage]) -> list[list[int]]:
    """Split messages into runs, which are published one after another. A message without a key is a run of its own."""
    runs: list[list[int]] = []
    for index, message in enumerate(messages):
        if not runs or message.key is None or messages[runs[-1][-1]].key is None:
            runs.append([])
        runs[-1].append(index)
    return runs
