"""A connection that is made when it is needed, and again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq

from ._connection import CHECK, LOST, Connection, away, connect, losses


class Link:
    """One connection with one channel, on which the broker confirms what is published.

    Args:
        url: the broker.
        options: for the driver, such as `context` for TLS.
        timeout: how long connecting may take, in seconds.
        prepare: declares what the channel needs, each time it is made.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        timeout: float,
        prepare: Callable[[aiormq.Channel], Awaitable[None]],
    ) -> None:
        self._url = url
        self._options = options
        self._timeout = timeout
        self._prepare = prepare
        self._connection: Connection | None = None
        self._channel: aiormq.Channel | None = None
        self._making: asyncio.Task[aiormq.Channel] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def channel(self) -> aiormq.Channel:
        """Return an open channel. All who ask at the same time wait for the same attempt, and share its failure.

        Raises:
            TransientFailure: the broker does not answer.
        """
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        if self._making is None:
            self._making = asyncio.create_task(self._make())
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    @asynccontextmanager
    async def another(self, seconds: float | None = None) -> AsyncIterator[aiormq.Channel]:
        """Open one more channel for a block; what it has and did not settle is given back at the end.

        Args:
            seconds: how long the block may take; None is any time.

        Raises:
            TransientFailure: the broker does not answer in time, or went away inside the block.
        """
        await self.channel()
        connection = self._connection
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    if connection is None:
                        raise ConnectionError("the connection was lost")
                    channel = await connection.channel(confirms=True)
                try:
                    async with asyncio.timeout(seconds):
                        yield channel
                finally:
                    with suppress(*LOST), losses():
                        await channel.close(timeout=self._timeout)
        except LOST as error:
            if isinstance(error, TimeoutError) and connection is not None:
                connection.cut()
            raise away(error) from error

    def forget(self, channel: aiormq.Channel, *, cut: bool) -> bool:
        """Use a channel no more; tell whether it was in use until now.

        Args:
            channel: the channel.
            cut: give up its connection too, which says nothing.
        """
        if channel is not self._channel:
            return False
        self._channel = None
        if cut and self._connection is not None:
            self._connection.cut()
            self._connection = None
        return True

    async def close(self) -> None:
        """Close the connection."""
        if self._making is not None:
            self._making.cancel()
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await connection.close()
        if self._looking is not None:
            self._looking.cancel()

    async def _make(self) -> aiormq.Channel:
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    if self._connection is None or self._connection.is_closed:
                        self._connection = await connect(self._url, self._options)
                    channel = await self._connection.channel(confirms=True)
                    await self._prepare(channel)
        except BaseException as error:
            if self._connection is not None:
                self._connection.cut()
                self._connection = None
            if isinstance(error, LOST):
                raise away(error) from error
            raise
        self._channel = channel
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.create_task(self._look(self._connection, channel))
        return channel

    async def _look(self, connection: Connection, channel: aiormq.Channel) -> None:
        """Ask now and then whether the broker is there, and cut a connection that says nothing.

        Who publishes notices by itself. Who waits for a reply, or for less than the time-out, would wait for the driver,
        which takes minutes.
        """
        with suppress(*LOST), losses():
            while not channel.is_closed:
                await asyncio.sleep(CHECK)
                try:
                    async with asyncio.timeout(self._timeout):
                        await channel.basic_qos(prefetch_count=0)  # changes nothing, and is answered
                except TimeoutError:
                    connection.cut()

    def _made(self, making: asyncio.Task[aiormq.Channel]) -> None:
        self._making = None
        if not making.cancelled():
            making.exception()  # nobody may be left to hear of it
