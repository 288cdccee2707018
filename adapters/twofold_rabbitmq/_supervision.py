"""Stay connected: over one connection after another, each looked at again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.errors import TransientFailure

from ._connection import CHECK, LOST, Connection, connect, losses

logger = logging.getLogger("twofold.rabbitmq")

_FIRST_PAUSE = 0.05
_LAST_PAUSE = 2.0
"""Seconds between two attempts to connect, at first and at most."""

_STEADY = 10.0
"""A connection that has lasted so many seconds was a good one: the pauses begin anew."""

_DELETED = "{} was deleted, and what it held is lost with it; it is made anew."


class Supervisor:
    """Receives over one connection after another.

    Args:
        name: who receives, for people.
        url: the broker.
        options: for the driver.
        timeout: how long connecting may take, in seconds.
        receive_over: receives over a connection until it is lost, and then raises; it calls `receives` in between.
    """

    def __init__(
        self,
        name: str,
        url: str,
        options: Mapping[str, Any],
        timeout: float,
        receive_over: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.trouble: str | None = None
        """What keeps it from receiving at the moment; see `Receiver`."""
        self.tried = asyncio.Event()
        """Set when the first attempt has succeeded, or failed."""
        self._name = name
        self._url = url
        self._options = options
        self._timeout = timeout
        self._receive_over = receive_over

    def receives(self) -> None:
        """Take note that all is well."""
        self.trouble = None
        self.tried.set()

    async def run(self) -> None:
        """Receive until cancelled, or until that raises something that is no loss."""
        pause, now = _FIRST_PAUSE, asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await connect(self._url, self._options)
                try:
                    with losses():
                        await self._receive_over(connection)
                finally:
                    await asyncio.shield(connection.close())
            except (*LOST, TransientFailure) as error:
                if now() - began > _STEADY:
                    pause = _FIRST_PAUSE
                self.trouble = f"it is cut off from the broker ({type(error).__name__}: {str(error) or 'not in time'})"
                self.tried.set()
                logger.warning("%s cannot receive and tries again in %.2f s: %s", self._name, pause, self.trouble)
            except Exception as error:
                self.trouble = f"{type(error).__name__}: {error}"
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)


class Watch:
    """Looks after a channel that receives, from before it does until it is lost.

    Args:
        connection: its connection.
        channel: the channel.
    """

    def __init__(self, connection: Connection, channel: aiormq.Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._queues: dict[str, str] = {}
        self._lost = asyncio.Event()
        self._reason = "the broker has closed the connection or the channel."
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        channel.closing.add_done_callback(lambda _: self._lost.set())
        connection.driver.closing.add_done_callback(lambda _: self._lost.set())

    async def receive(self, queue: str, receive: Callable[[DeliveredMessage], Coroutine[Any, Any, None]]) -> None:
        """Receive from a queue."""
        name = f"{queue}:{uuid4().hex}"
        self._queues[name] = queue
        await self._channel.basic_consume(queue, receive, consumer_tag=name)

    async def run(self, declare: Callable[[aiormq.Channel], Awaitable[None]], timeout: float) -> None:
        """Declare everything again now and then, until the channel is lost.

        Args:
            declare: declares everything again.
            timeout: how long an answer of the broker may take, in seconds.

        Raises:
            TransientFailure: the channel, its connection or a queue is gone.
        """
        while not self._lost.is_set():
            with losses():
                async with asyncio.timeout(timeout):
                    await self._look(declare, list(self._queues.values()))
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK):
                    await self._lost.wait()
        raise TransientFailure(self._reason)

    async def _look(self, declare: Callable[[aiormq.Channel], Awaitable[None]], queues: Sequence[str]) -> None:
        """Declare everything again, on a channel of its own, and see that somebody receives from each queue."""
        channel = await self._connection.channel(confirms=False)
        try:
            await declare(channel)
            for queue in queues:
                found = await channel.queue_declare(queue, passive=True)
                if not found.consumer_count and not self._lost.is_set():
                    raise TransientFailure(_DELETED.format(queue))  # and declared anew since: nobody receives from it
        except aiormq.ChannelNotFoundEntity as error:
            raise TransientFailure(f"{_DELETED.format('what was declared')} The broker says: {error}") from error
        finally:
            with suppress(*LOST), losses():
                await channel.close()

    def _cancelled(self, frame: spec.Basic.Cancel) -> None:
        queue = self._queues.get(frame.consumer_tag or "", "a queue")
        self._reason = _DELETED.format(queue)
        logger.warning(self._reason)  # at once: whatever fails next because of it says less
        self._lost.set()
