"""A connection that is opened on demand, and replaced after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq
from aio_pika.abc import AbstractChannel

from twofold.errors import ConfigurationError, TransientFailure
from twofold.ports import after_fork

from ._connection import Connection, connect, underlying
from ._losses import LOST, losses, unavailable
from ._watch import Watch


class Link:
    """One connection with one channel that has publisher confirms.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        timeout: the maximum seconds to connect, and to wait for each response of the broker.
        declare: declares the objects that the channel uses; called for each new channel, and every few seconds on
            another one.
        prepare: called once with each new channel, after `declare`.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        timeout: float,
        declare: Callable[[AbstractChannel], Awaitable[None]],
        prepare: Callable[[aiormq.Channel], Awaitable[None]] | None = None,
    ) -> None:
        self._url = url
        self._options = options
        self._timeout = timeout
        self._declare = declare
        self._prepare = prepare
        self._connection: Connection | None = None
        self._channel: aiormq.Channel | None = None
        self._opening: asyncio.Task[aiormq.Channel] | None = None
        self._watching: asyncio.Task[None] | None = None
        after_fork(self, Link._forget)

    async def channel(self) -> aiormq.Channel:
        """Return an open channel. Concurrent callers wait for the same attempt to open it, and share its failure.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: the broker refuses the user or a declaration.
        """
        if self._channel is not None and not self._channel.is_closed:
            return self._channel
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    @asynccontextmanager
    async def extra_channel(self, seconds: float | None = None) -> AsyncIterator[AbstractChannel]:
        """Open one more channel for a block. Messages that the block receives and does not settle return to their queue.

        Args:
            seconds: the longest time that the block may take; None is unlimited.

        Raises:
            TransientFailure: the broker does not answer in time, or the connection is lost inside the block.
        """
        await self.channel()
        connection = self._connection
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    if connection is None:
                        raise ConnectionError("the connection was lost")
                    channel = await connection.channel(on_return_raises=True)
                try:
                    async with asyncio.timeout(seconds):
                        yield channel
                finally:
                    with suppress(*LOST), losses():
                        async with asyncio.timeout(self._timeout):
                            await channel.close()
        except LOST as error:
            if isinstance(error, TimeoutError) and connection is not None:
                connection.abort()
            raise unavailable(error) from error

    def drop(self, channel: aiormq.Channel) -> bool:
        """Abort the connection of a channel that failed. Return whether the channel was still in use."""
        if channel is not self._channel:
            return False
        self._abort()
        return True

    async def close(self) -> None:
        """Close the connection."""
        for task in (self._opening, self._watching):
            if task is not None:
                task.cancel()
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> aiormq.Channel:
        self._abort()
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    connection = self._connection = await connect(self._url, self._options)
                    opened = await connection.channel(on_return_raises=True)
                    await self._declare(opened)
                    channel = await underlying(opened)
                    if self._prepare is not None:
                        await self._prepare(channel)
        except BaseException as error:
            self._abort()
            if isinstance(error, LOST):
                raise unavailable(error) from error
            raise
        self._channel = channel
        self._watching = asyncio.create_task(self._watch(connection, channel))
        return channel

    async def _watch(self, connection: Connection, channel: aiormq.Channel) -> None:
        """Abort a connection that does not answer. A caller that waits for less than the timeout cannot notice it."""
        with suppress(*LOST, TransientFailure, ConfigurationError):
            await Watch(connection, channel).run(self._declare, self._timeout)
        connection.abort()

    def _abort(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._channel = None

    def _forget(self) -> object:
        """Forget the connection of the parent process, and return it."""
        of_parent = (self._connection, self._channel, self._opening, self._watching)
        self._connection = self._channel = self._opening = self._watching = None
        return of_parent

    def _opened(self, opening: asyncio.Task[aiormq.Channel]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # every caller may have been cancelled
