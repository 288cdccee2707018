"""Serve requests: several at the same time, and requests of one key one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

from aio_pika.abc import AbstractChannel
from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.errors import TransientFailure
from twofold.ports import LARGEST_BODY, Answerer, Backoff, KeyLocks, logger_of

from ._connection import Connection, underlying
from ._losses import LOST, losses
from ._replies import Replies
from ._request_topology import RequestTopology
from ._request_wire import REPLIES, TOO_LARGE, request_of, seconds_left, shown_id
from ._supervision import Supervisor
from ._watch import Watch

logger = logger_of("twofold.rabbitmq")

_FIRST_PAUSE = 0.05
_LAST_PAUSE = 1.0
"""The first and the longest pause before a failed request is retried, in seconds."""

_REPLIES = 5
"""The number of attempts to send a reply until the broker confirms it.

Then the request is acknowledged without a reply.
"""

_SHUTDOWN = 5.0
"""Seconds that `shut_down` waits for the current requests."""


class RabbitMQServer:
    """Serves the requests of one service over one connection after another.

    A request is acknowledged after its reply was sent. A request whose handler fails is retried here until its deadline,
    before later requests of its key. If this process dies, the broker delivers its requests to another server.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        topology: the names at the broker.
        service: the name to serve under.
        answer: handles a request.
        partitions: the number of partitions of requests with a key.
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
        self._prefetch = concurrency * 4  # one slow key must not fill the window
        self._timeout = timeout
        self._replies = Replies(url, options, timeout, self._declare)
        self._locks = KeyLocks()
        self._waiting: set[asyncio.Task[None]] = set()
        self._handling: set[asyncio.Task[None]] = set()
        self._shutting_down = False
        self.tried = self._supervisor.tried
        """Set when the first attempt to serve has succeeded or failed."""
        self.failed: Exception | None = None
        """Why the first attempt to serve failed."""

    @property
    def problem(self) -> str | None:
        """Why it does not serve at present."""
        return self._supervisor.problem

    async def run(self) -> None:
        """Serve until cancelled. Only a failure of the first attempt ends it."""
        try:
            while True:
                try:
                    await self._supervisor.run()
                except Exception as error:
                    if not self.tried.is_set():
                        self.failed = error
                        self.tried.set()
                        return
                    logger.exception("%s cannot be served and retries in %.2f s", self._service, _LAST_PAUSE)
                await asyncio.sleep(_LAST_PAUSE)
        finally:
            await asyncio.shield(self._replies.close())

    async def shut_down(self) -> None:
        """Start no more requests, and wait a few seconds for the current ones. Other servers receive the rest."""
        self._shutting_down = True
        for task in self._waiting:
            task.cancel()
        if self._handling:
            await asyncio.wait(self._handling, timeout=_SHUTDOWN)

    async def _serve_over(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._timeout * 2):
                opened = await connection.channel(publisher_confirms=False)
                watch = Watch(connection, await underlying(opened))
                await self._declare(opened)
                await opened.set_qos(self._prefetch)
                for queue in self._topology.queues(self._service, self._partitions):
                    await watch.consume(queue, self._delivered)
            self._supervisor.started()
            await watch.run(self._declare, self._timeout)
        finally:
            # The broker delivers these requests to another server now, which recognises committed ones by their ids.
            for task in self._waiting | self._handling:
                task.cancel()

    async def _declare(self, channel: AbstractChannel) -> None:
        await self._topology.declare(channel, self._service, self._partitions)

    async def _delivered(self, delivered: DeliveredMessage) -> None:
        """Handle a request. aiormq calls this in the order of delivery, each time in a new task."""
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if self._shutting_down or task is None:
            return  # the request returns to its queue when the connection closes
        self._waiting.add(task)
        try:
            await self._handle(task, delivered)
        except Exception:
            logger.exception("%s drops a request that it cannot handle", self._service)
            await self._acknowledge(delivered)
        finally:
            self._waiting.discard(task)
            self._handling.discard(task)

    async def _handle(self, task: asyncio.Task[None], delivered: DeliveredMessage) -> None:
        """Call the handler, and retry it until the deadline."""
        request, backoff = request_of(delivered), Backoff(_FIRST_PAUSE, _LAST_PAUSE)
        now = asyncio.get_running_loop().time
        deadline = now() + seconds_left(delivered, self._service)
        async with self._locks.hold(request.key) if request.key is not None else nullcontext():
            while now() < deadline:
                async with self._slots:
                    if now() >= deadline:
                        break
                    self._waiting.discard(task)
                    self._handling.add(task)
                    try:
                        reply = await self._answer(request)
                    except Exception as error:
                        if self._shutting_down:
                            logger.info(
                                "%s shuts down and returns %s to the queue: %s", self._service, shown_id(request), error
                            )
                            return
                        pause = backoff.next()
                        logger.exception(
                            "%s could not answer %s and retries in %.2f s", self._service, shown_id(request), pause
                        )
                    else:
                        await self._settle(delivered, reply)
                        return
                    self._handling.discard(task)
                    self._waiting.add(task)
                await asyncio.sleep(pause)
        logger.warning(
            "%s drops %s: its deadline has passed, so its requester has timed out.", self._service, shown_id(request)
        )
        await self._settle(delivered, None)

    async def _settle(self, delivered: DeliveredMessage, reply: bytes | None) -> None:
        """Send the reply, if there is one, and acknowledge the request."""
        properties = delivered.header.properties
        to, kind = properties.reply_to or "", None
        if reply is not None and to and not to.startswith(REPLIES):
            logger.warning("%s does not reply to %r: the address is a queue and not a requester.", self._service, to)
            reply = None
        if reply is not None and len(reply) > LARGEST_BODY:
            reply, kind = str(len(reply)).encode(), TOO_LARGE
        answer = spec.Basic.Properties(correlation_id=properties.correlation_id, message_type=kind)
        backoff = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
        for _ in range(_REPLIES if reply is not None and to else 0):
            try:
                await self._replies.send(to, reply or b"", answer)
                break
            except TransientFailure as error:  # if the connection of the request is lost too, this task is cancelled
                logger.warning("%s cannot reply to %s: %s", self._service, shown_id(request_of(delivered)), error)
                await asyncio.sleep(backoff.next())
        await self._acknowledge(delivered)

    async def _acknowledge(self, delivered: DeliveredMessage) -> None:
        with suppress(*LOST), losses():  # after a loss the request is delivered and answered again
            await delivered.channel.basic_ack(delivered.delivery_tag or 0)
