"""Watch a channel until it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any
from uuid import uuid4

import aiormq
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.abc import DeliveredMessage

from twofold.errors import TransientFailure
from twofold.ports import logger_of

from ._connection import CHECK, Connection
from ._losses import losses

logger = logger_of("twofold.rabbitmq")

_DELETED = "{} was deleted, and its messages are lost. It is declared again."


class Watch:
    """Notices that a channel, its connection or one of its queues is lost.

    Args:
        connection: the connection.
        channel: the channel, which may be given to `consume` before `run` is called.
    """

    def __init__(self, connection: Connection, channel: aiormq.Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._queues: dict[str, str] = {}
        self._lost = asyncio.Event()
        self._reason = "The broker has closed the connection or the channel."
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        channel.closing.add_done_callback(lambda _: self._lost.set())

    async def consume(self, queue: str, receive: Callable[[DeliveredMessage], Coroutine[Any, Any, None]]) -> None:
        """Consume from a queue."""
        tag = f"{queue}:{uuid4().hex}"
        self._queues[tag] = queue
        await self._channel.basic_consume(queue, receive, consumer_tag=tag)

    async def run(self, declare: Callable[[AbstractChannel], Awaitable[None]], timeout: float) -> None:
        """Repeat the declarations every few seconds, until the channel is lost.

        A declaration also finds a stalled connection, which AMQP heartbeats do not find in time.

        Args:
            declare: declares everything again.
            timeout: how long an answer of the broker may take, in seconds.

        Raises:
            TransientFailure: the channel, its connection or a queue is gone.
            ConfigurationError: the broker refuses a declaration.
            OSError: the broker does not answer in time; or another of `LOST`.
        """
        with losses():
            async with asyncio.timeout(timeout):
                checking = await self._connection.channel(publisher_confirms=False)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK):
                    await self._lost.wait()
                raise TransientFailure(self._reason)
            with losses():
                async with asyncio.timeout(timeout):
                    await self._check(checking, declare)

    async def _check(self, checking: AbstractChannel, declare: Callable[[AbstractChannel], Awaitable[None]]) -> None:
        """Declare everything, on another channel, as a refusal closes it. Check that each queue has a consumer."""
        try:
            await declare(checking)
            for name in tuple(self._queues.values()):
                queue = await checking.declare_queue(name, passive=True)
                if not queue.declaration_result.consumer_count and not self._lost.is_set():
                    raise TransientFailure(_DELETED.format(name))  # `declare` has just created it
        except ChannelNotFoundEntity as error:
            raise TransientFailure(f"{_DELETED.format('A queue or exchange')} The broker reports: {error}") from error

    def _cancelled(self, frame: aiormq.spec.Basic.Cancel) -> None:
        queue = self._queues.get(frame.consumer_tag or "", "A queue")
        self._reason = _DELETED.format(queue)
        logger.warning(self._reason)  # before an error that follows from the deletion and explains less
        self._lost.set()
