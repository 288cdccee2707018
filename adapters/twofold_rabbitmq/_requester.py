"""Send requests, and match replies with them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.errors import MessageTooLarge, NoRemoteService, NotSent, RemoteTimeout, TransientFailure
from twofold.ports import LARGEST_BODY, Request

from ._connection import LOST, losses
from ._link import Link
from ._request_topology import RequestTopology

_REPLIES = "amq.rabbitmq.reply-to"
"""What stands for the channel that asks: the broker hands replies to it directly, and drops those that come too late."""

_PAUSE = 0.1
_LAST_PAUSE = 1.0
"""Seconds until a request is sent again whose fate is unknown, and between attempts to connect for it, at most."""


class _Asked:
    """What became of a request so far."""

    sent = False
    """Whether the broker may have it."""
    trouble = "RabbitMQ did not answer in time."
    """What went wrong last."""


class Requester:
    """Asks over one channel. A request whose connection was lost is sent again, under the same id, until its deadline.

    Args:
        link: the connection and its channel; it prepares the channel with `prepare`.
        topology: how requests are addressed.
        timeout: how long the broker may take to say that it has a request, in seconds.
    """

    def __init__(self, link: Link, topology: RequestTopology, *, timeout: float) -> None:
        self._link = link
        self._topology = topology
        self._timeout = timeout
        self._asked: dict[str, asyncio.Future[bytes]] = {}

    async def prepare(self, channel: aiormq.Channel) -> None:
        """Declare what requests are sent to, and receive replies; whoever waited on a lost channel asks again."""
        await self._topology.declare_exchange(channel)
        await channel.basic_consume(_REPLIES, self._replied, no_ack=True)
        channel.closing.add_done_callback(lambda _: self._lost())

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request; return the reply."""
        if len(request.body) > LARGEST_BODY:
            raise MessageTooLarge(
                f"cannot send {request.id} to {service}: it has {len(request.body)} bytes, and {LARGEST_BODY} are the "
                "limit. Send a reference to large data."
            )
        deadline, asked = time.time() + seconds, _Asked()
        try:
            async with asyncio.timeout(seconds):
                await self._reach(service, asked)
                while True:
                    try:
                        with losses():
                            return await self._ask(service, request, deadline, asked)
                    except (*LOST, TransientFailure) as error:
                        asked.trouble = str(error)
                        await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            if not asked.sent:
                raise _not_sent(service, asked.trouble) from error
            raise RemoteTimeout(
                f"{service} did not answer {request.id} within {seconds} s; whether it was handled is not known. See "
                "whether it runs, and send it again under the same id."
            ) from error

    async def _reach(self, service: str, asked: _Asked) -> None:
        """Return when there is a connection.

        Raises:
            NotSent: there has been none for as long as the broker may take to answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                pause = _PAUSE
                while True:
                    try:
                        with losses():
                            await self._link.channel()
                            return
                    except (*LOST, TransientFailure) as error:
                        asked.trouble = str(error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LAST_PAUSE)
        raise _not_sent(service, asked.trouble)

    async def _ask(self, service: str, request: Request, deadline: float, asked: _Asked) -> bytes:
        channel = await self._link.channel()
        call = uuid4().hex
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[call] = reply
        headers: dict[str, str | int] = {"deadline": int(deadline * 1000)}
        if request.key is not None:
            headers["key"] = request.key
        try:
            asked.sent = True
            await channel.basic_publish(
                request.body,
                exchange=self._topology.exchange,
                routing_key=self._topology.routing_key(service, request),
                properties=spec.Basic.Properties(
                    content_type="application/json",
                    correlation_id=call,
                    delivery_mode=2,
                    expiration=str(max(1, int((deadline - time.time()) * 1000))),
                    headers=dict(headers),
                    message_id=request.id,
                    reply_to=_REPLIES,
                ),
                mandatory=True,
                timeout=self._timeout,
                wait=False,
            )
            return await reply
        except TimeoutError:
            self._link.forget(channel, cut=True)  # a connection that says nothing is no better for the others
            raise
        except aiormq.PublishError as error:
            raise NoRemoteService(
                f"cannot send {request.id} to {service!r}: nobody has ever served under this name at this broker. Start the "
                "application of that name with serve(...), or see whether both use the same prefix."
            ) from error
        finally:
            del self._asked[call]

    async def _replied(self, delivered: DeliveredMessage) -> None:
        reply = self._asked.get(delivered.header.properties.correlation_id or "")
        if reply is not None and not reply.done():
            reply.set_result(delivered.body)

    def _lost(self) -> None:
        for reply in self._asked.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the channel that waits for the reply was lost"))


def _not_sent(service: str, trouble: str) -> NotSent:
    return NotSent(f"Nothing was sent to {service!r}, as the broker is away: {trouble}")
