"""Serve requests: several at a time, those of one key one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.ports import LARGEST_BODY, Answerer

from ._connection import LOST, Connection, losses
from ._request_topology import RequestTopology
from ._request_wire import REPLIES, TOO_LARGE, request_of, seconds_left
from ._supervision import Supervisor, Watch
from ._turns import Turns

logger = logging.getLogger("twofold.rabbitmq")

_FIRST_PAUSE = 0.05
_LAST_PAUSE = 1.0
"""Seconds until a request is tried again whose answer failed, at first and at most."""

_LEAVE = 5.0
"""How long leaving waits for requests that are under way, in seconds."""


class RabbitMQServer:
    """Answers the requests of one service over one connection after another.

    A request is acknowledged when its reply is sent. One whose answer fails is tried again here, before what follows of its
    key, until its deadline; when this process dies, the broker hands it to another one.

    Args:
        url: the broker.
        options: for the driver.
        topology: what is declared, and how it is called.
        service: the name to serve under.
        answer: handles a request.
        partitions: into how many parts requests that have a key are divided.
        concurrency: how many requests are handled at the same time.
        timeout: how long an answer of the broker may take, in seconds.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        topology: RequestTopology,
        service: str,
        answer: Answerer,
        *,
        partitions: int,
        concurrency: int,
        timeout: float,
    ) -> None:
        self._supervisor = Supervisor(service, url, options, timeout, self._serve_over)
        self._topology = topology
        self._service = service
        self._answer = answer
        self._partitions = partitions
        self._slots = asyncio.Semaphore(concurrency)
        self._prefetch = concurrency * 4  # so that one slow key does not fill the window
        self._timeout = timeout
        self._turns = Turns()
        self._waiting: set[asyncio.Task[None]] = set()
        self._begun: set[asyncio.Task[None]] = set()
        self._leaving = False
        self.tried = self._supervisor.tried
        """Set when it serves for the first time, or has failed to."""
        self.failed: Exception | None = None
        """Why it has not begun to serve."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from serving at the moment."""
        return self._supervisor.trouble

    async def run(self) -> None:
        """Serve until cancelled; only a failure to begin ends it."""
        while True:
            try:
                await self._supervisor.run()
            except Exception as error:
                if not self.tried.is_set():
                    self.failed = error
                    self.tried.set()
                    return
                logger.exception("%s cannot be served here and tries again in %.2f s", self._service, _LAST_PAUSE)
            await asyncio.sleep(_LAST_PAUSE)

    async def leave(self) -> None:
        """Begin nothing more, and wait a moment for what is under way; the broker hands the rest to others."""
        self._leaving = True
        for task in self._waiting:
            task.cancel()
        if self._begun:
            await asyncio.wait(self._begun, timeout=_LEAVE)

    async def _serve_over(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._timeout * 2):
                channel = await connection.channel(confirms=False)
                watch = Watch(connection, channel)
                await self._declare(channel)
                await channel.basic_qos(prefetch_count=self._prefetch)
                for queue in self._topology.queues(self._service, self._partitions):
                    await watch.receive(queue, self._delivered)
            self._supervisor.receives()
            await watch.run(self._declare, self._timeout)
        finally:
            # The broker hands these to somebody else now; what they have committed is recognised by its id.
            for task in self._waiting | self._begun:
                task.cancel()

    async def _declare(self, channel: aiormq.Channel) -> None:
        await self._topology.declare(channel, self._service, self._partitions)

    async def _delivered(self, delivered: DeliveredMessage) -> None:
        """Begin a request; the driver calls this in the order of delivery, each time in a task of its own."""
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if self._leaving or task is None:
            return  # it goes back when the connection closes
        self._waiting.add(task)
        try:
            await self._deal_with(task, delivered)
        finally:
            self._waiting.discard(task)
            self._begun.discard(task)

    async def _deal_with(self, task: asyncio.Task[None], delivered: DeliveredMessage) -> None:
        """Answer a request, however often that takes before its deadline."""
        request, now, pause = request_of(delivered), asyncio.get_running_loop().time, _FIRST_PAUSE
        deadline = now() + seconds_left(delivered, self._service)
        async with self._turns.of(request.key) if request.key is not None else nullcontext():
            while now() < deadline:
                async with self._slots:
                    if now() >= deadline:
                        break
                    self._waiting.discard(task)
                    self._begun.add(task)
                    try:
                        reply = await self._answer(request)
                    except Exception as error:
                        if self._leaving:
                            logger.info("%s leaves %s to another server: %s", self._service, request.id, error)
                            return
                        logger.exception(
                            "%s could not answer %s and tries again in %.2f s", self._service, request.id, pause
                        )
                    else:
                        await self._settle(delivered, reply)
                        return
                    self._begun.discard(task)
                    self._waiting.add(task)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE)
        logger.warning(
            "%s drops %s, whose deadline has passed: its requester has been told.", self._service, request.id
        )
        await self._settle(delivered, None)

    async def _settle(self, delivered: DeliveredMessage, reply: bytes | None) -> None:
        """Send the reply, if there is one, and tell the broker that the request is dealt with."""
        channel, properties = delivered.channel, delivered.header.properties
        to, kind = properties.reply_to or "", None
        if reply is not None and to and not to.startswith(REPLIES):
            logger.warning("%s does not reply to %r, which is no requester but a queue.", self._service, to)
            reply = None
        if reply is not None and len(reply) > LARGEST_BODY:
            reply, kind = str(len(reply)).encode(), TOO_LARGE
        with suppress(*LOST), losses():  # it comes again, and its reply with it
            if reply is not None and to:
                answer = spec.Basic.Properties(correlation_id=properties.correlation_id, message_type=kind)
                await channel.basic_publish(reply, routing_key=to, properties=answer)
            await channel.basic_ack(delivered.delivery_tag or 0)
