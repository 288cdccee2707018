"""Send the replies to requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiormq
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError

from twofold.errors import TransientFailure
from twofold.ports import logger_of

from ._connection import connect, underlying
from ._link import Link
from ._losses import LOST, description, losses, unavailable

logger = logger_of("twofold.rabbitmq")


class Replies:
    """Sends replies over a connection of its own.

    The requester chooses the address of the reply. RabbitMQ closes the connection of a client that publishes to some
    malformed addresses, with an internal error. A reply whose connection is lost is therefore repeated over a connection
    that carries no other reply. If the broker closes that one too, the reply is dropped.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        timeout: how long an answer of the broker may take, in seconds.
        declare: declares the service, which is repeated to check the connection.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        timeout: float,
        declare: Callable[[AbstractChannel], Awaitable[None]],
    ) -> None:
        self._url = url
        self._options = options
        self._timeout = timeout
        self._link = Link(url, options, timeout, declare)
        self._turn = asyncio.Lock()

    async def send(self, to: str, body: bytes, properties: aiormq.spec.Basic.Properties) -> None:
        """Send a reply. A requester that is gone does not receive it, which is not an error.

        Raises:
            TransientFailure: the broker does not answer.
        """
        try:
            with losses():
                await self._publish(await self._link.channel(), to, body, properties)
                return
        except (*LOST, TransientFailure):
            pass  # perhaps because of another reply
        async with self._turn:
            await self._send_alone(to, body, properties)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def _send_alone(self, to: str, body: bytes, properties: aiormq.spec.Basic.Properties) -> None:
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    connection = await connect(self._url, self._options)
                try:
                    async with asyncio.timeout(self._timeout):
                        channel = await underlying(await connection.channel(on_return_raises=False))
                    await self._publish(channel, to, body, properties)
                finally:
                    await asyncio.shield(connection.close())
        except LOST as error:
            if isinstance(error, AMQPError) and not _is_away(error):
                logger.warning(
                    "a reply to %.100r is dropped, because the broker refuses its address: %s", to, description(error)
                )
                return
            raise unavailable(error) from error

    async def _publish(
        self, channel: aiormq.Channel, to: str, body: bytes, properties: aiormq.spec.Basic.Properties
    ) -> None:
        await channel.basic_publish(body, routing_key=to, properties=properties, timeout=self._timeout)


def _is_away(error: AMQPError) -> bool:
    """Return whether a connection was lost without a reason that the broker gave."""
    return type(error) in (aiormq.AMQPConnectionError, aiormq.ConnectionClosed)
