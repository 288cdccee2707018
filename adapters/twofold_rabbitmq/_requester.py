"""Send requests, and match replies with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple
from uuid import uuid4

import aiormq
from aio_pika.exceptions import PublishError
from aiormq.abc import DeliveredMessage

from twofold.errors import MessageTooLarge, NoRemoteService, NotSent, RemoteTimeout, TransientFailure
from twofold.ports import LARGEST_BODY, Backoff, KeyLocks, Request, check_body

from ._link import Link
from ._losses import LOST, losses
from ._request_topology import RequestTopology
from ._request_wire import REPLIES, TOO_LARGE, properties_of
from ._sending import send

_PAUSE = 0.1
"""The first pause between two attempts to connect, and the pause between two attempts to send, in seconds."""

_LAST_PAUSE = 1.0
"""The longest pause between two attempts to connect, in seconds."""


class _Progress:
    """The progress of a request."""

    sent = False
    """Whether the broker may have the request."""
    problem = "RabbitMQ did not answer in time."
    """The last failure."""


class _Call(NamedTuple):
    channel: aiormq.Channel
    reply: asyncio.Future[DeliveredMessage]


class Requester:
    """Sends requests over one channel. After a loss, a request is sent again with the same id until its deadline.

    The next request of a key is sent when the broker has confirmed the previous one.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        topology: the names at the broker.
        timeout: how long an answer of the broker may take, in seconds.
    """

    def __init__(self, url: str, options: Mapping[str, Any], topology: RequestTopology, *, timeout: float) -> None:
        self._link = Link(url, options, timeout, topology.declare_exchange, self._prepare)
        self._topology = topology
        self._timeout = timeout
        self._locks = KeyLocks()
        self._calls: dict[str, _Call] = {}

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request. Return the reply."""
        check_body(request.body, f"send {request.id} to {service!r}")
        progress, deadline = _Progress(), asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._connect(service, progress)
                while True:
                    call = uuid4().hex
                    try:
                        with losses():
                            await self._send(service, request, call, deadline, progress)
                            return _read(await self._calls[call].reply, service, request)
                    except (*LOST, TransientFailure) as error:
                        progress.problem = str(error)
                    finally:
                        self._calls.pop(call, None)
                    await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            if not progress.sent:
                raise _not_sent(service, progress.problem) from error
            raise RemoteTimeout(
                f"{service} did not answer {request.id} within {seconds} s; it may have handled the request. Check that the "
                "service runs, and send the request again with the same id."
            ) from error

    async def _connect(self, service: str, progress: _Progress) -> None:
        """Return when there is a connection.

        Raises:
            NotSent: there was no connection within the timeout.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                backoff = Backoff(_PAUSE, _LAST_PAUSE)
                while True:
                    try:
                        with losses():
                            await self._link.channel()
                            return
                    except (*LOST, TransientFailure) as error:
                        progress.problem = str(error)
                    await asyncio.sleep(backoff.next())
        raise _not_sent(service, progress.problem)

    async def _send(self, service: str, request: Request, call: str, deadline: float, progress: _Progress) -> None:
        """Return when the broker has the request. Send no other request of its key until then."""
        lock = self._locks.hold(f"{service} {request.key}") if request.key is not None else nullcontext()
        async with lock:
            while True:
                try:
                    with losses():
                        return await self._try_to_send(service, request, call, deadline, progress)
                except (*LOST, TransientFailure) as error:
                    progress.problem = str(error)
                await asyncio.sleep(_PAUSE)

    async def _try_to_send(
        self, service: str, request: Request, call: str, deadline: float, progress: _Progress
    ) -> None:
        channel = await self._link.channel()
        loop = asyncio.get_running_loop()
        self._calls[call] = _Call(channel, loop.create_future())
        sent_before, progress.sent = progress.sent, True
        try:
            async with asyncio.timeout(self._timeout):
                await send(
                    channel,
                    request.body,
                    exchange=self._topology.exchange,
                    routing_key=self._topology.routing_key(service, request),
                    properties=properties_of(request, call, deadline - loop.time()),
                )
        except TimeoutError:
            self._link.drop(channel)  # the connection is stalled for all callers
            raise
        except PublishError as error:
            if sent_before:
                raise TransientFailure(f"no application serves as {service!r} any more") from error
            raise _no_service(service, request) from error

    async def _prepare(self, channel: aiormq.Channel) -> None:
        """Consume replies. When the channel is lost, the requests that wait for them are sent again."""
        await channel.basic_consume(REPLIES, self._replied, no_ack=True)
        channel.closing.add_done_callback(lambda _: self._lost(channel))

    async def _replied(self, delivered: DeliveredMessage) -> None:
        call = self._calls.get(delivered.header.properties.correlation_id or "")
        if call is not None and not call.reply.done():
            call.reply.set_result(delivered)

    def _lost(self, channel: aiormq.Channel) -> None:
        for call in self._calls.values():
            if call.channel is channel:
                call.reply.cancel()


def _read(reply: DeliveredMessage, service: str, request: Request) -> bytes:
    if reply.header.properties.message_type == TOO_LARGE:
        raise MessageTooLarge(
            f"cannot receive the reply of {service!r} to {request.id}, which was handled: it has {reply.body.decode()} "
            f"bytes, the limit is {LARGEST_BODY}. Request less at a time."
        )
    return reply.body


def _no_service(service: str, request: Request) -> NoRemoteService:
    return NoRemoteService(
        f"cannot send {request.id} to {service!r}: no application has served under this name at this broker. Start the "
        "application of that name with serve(...), and check that both use the same prefix."
    )


def _not_sent(service: str, problem: str) -> NotSent:
    return NotSent(f"Nothing was sent to {service!r}, because the broker is not available: {problem}")
