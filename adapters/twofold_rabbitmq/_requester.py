"""Send requests, and match replies with them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from typing import NamedTuple
from uuid import uuid4

import aiormq
from aiormq.abc import DeliveredMessage

from twofold.errors import MessageTooLarge, NoRemoteService, NotSent, RemoteTimeout, TransientFailure
from twofold.ports import LARGEST_BODY, Request, check_body

from ._connection import LOST, losses
from ._link import Link
from ._request_topology import RequestTopology
from ._request_wire import REPLIES, TOO_LARGE, asking
from ._sending import send
from ._turns import Turns

_PAUSE = 0.1
_LAST_PAUSE = 1.0
"""Seconds until a request is sent again whose fate is unknown, and between attempts to connect for it, at most."""


class _Asked:
    """What became of a request so far."""

    sent = False
    """Whether the broker may have it."""
    trouble = "RabbitMQ did not answer in time."
    """What went wrong last."""


class _Call(NamedTuple):
    channel: aiormq.Channel
    reply: asyncio.Future[DeliveredMessage]


class Requester:
    """Asks over one channel. A request whose connection was lost is sent again, under the same id, until its deadline.

    Requests of one key are sent one after another: the next when the broker has the one before.

    Args:
        link: the connection and its channel; it prepares the channel with `prepare`.
        topology: how requests are addressed.
        timeout: how long the broker may take to say that it has a request, in seconds.
    """

    def __init__(self, link: Link, topology: RequestTopology, *, timeout: float) -> None:
        self._link = link
        self._topology = topology
        self._timeout = timeout
        self._turns = Turns()
        self._calls: dict[str, _Call] = {}

    async def prepare(self, channel: aiormq.Channel) -> None:
        """Declare what requests are sent to, and receive replies; whoever waited on a lost channel asks again."""
        await self._topology.declare_exchange(channel)
        await channel.basic_consume(REPLIES, self._replied, no_ack=True)
        channel.closing.add_done_callback(lambda _: self._lost(channel))

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request; return the reply."""
        check_body(request.body, f"send {request.id} to {service!r}")
        asked, deadline = _Asked(), asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._reach(service, asked)
                while True:
                    call = uuid4().hex
                    try:
                        with losses():
                            await self._send(service, request, call, deadline, asked)
                            return _read(await self._calls[call].reply, service, request)
                    except (*LOST, TransientFailure) as error:
                        asked.trouble = str(error)
                    finally:
                        self._calls.pop(call, None)
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

    async def _send(self, service: str, request: Request, call: str, deadline: float, asked: _Asked) -> None:
        """Return when the broker has the request; nothing else of its key is sent meanwhile."""
        turn = self._turns.of(f"{service} {request.key}") if request.key is not None else nullcontext()
        async with turn:
            while True:
                try:
                    with losses():
                        return await self._try_to_send(service, request, call, deadline, asked)
                except (*LOST, TransientFailure) as error:
                    asked.trouble = str(error)
                await asyncio.sleep(_PAUSE)

    async def _try_to_send(self, service: str, request: Request, call: str, deadline: float, asked: _Asked) -> None:
        channel = await self._link.channel()
        loop = asyncio.get_running_loop()
        self._calls[call] = _Call(channel, loop.create_future())
        sent_before, asked.sent = asked.sent, True
        try:
            async with asyncio.timeout(self._timeout):
                await send(
                    channel,
                    request.body,
                    exchange=self._topology.exchange,
                    routing_key=self._topology.routing_key(service, request),
                    properties=asking(request, call, deadline - loop.time()),
                )
        except TimeoutError:
            self._link.forget(channel, cut=True)  # a connection that says nothing is no better for the others
            raise
        except aiormq.PublishError as error:
            if sent_before:
                raise TransientFailure(f"nobody serves as {service!r} any more") from error
            raise _nobody(service, request) from error

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
            f"cannot receive what {service!r} replies to {request.id}, which it has handled: it has {reply.body.decode()} "
            f"bytes, and {LARGEST_BODY} are the limit. Ask for less at a time."
        )
    return reply.body


def _nobody(service: str, request: Request) -> NoRemoteService:
    return NoRemoteService(
        f"cannot send {request.id} to {service!r}: nobody has ever served under this name at this broker. Start the "
        "application of that name with serve(...), or see whether both use the same prefix."
    )


def _not_sent(service: str, trouble: str) -> NotSent:
    return NotSent(f"Nothing was sent to {service!r}, as the broker is away: {trouble}")
