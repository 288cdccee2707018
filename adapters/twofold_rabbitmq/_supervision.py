"""Receive over one connection after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twofold.errors import TransientFailure
from twofold.ports import Backoff, logger_of

from ._connection import Connection, connect
from ._losses import LOST, description, losses

logger = logger_of("twofold.rabbitmq")

_FIRST_PAUSE = 0.05
_LAST_PAUSE = 2.0
"""The first and the longest pause between two attempts to connect, in seconds."""

_STEADY = 10.0
"""The backoff starts again after a connection that has lasted this many seconds."""


class Supervisor:
    """Connects again, with exponential backoff, until cancelled.

    Args:
        name: the name of the consumer or service, for messages.
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        timeout: how long connecting may take, in seconds.
        receive_over: receives over a connection until it is lost, then raises; calls `started` when it receives.
    """

    def __init__(
        self,
        name: str,
        url: str,
        options: Mapping[str, Any],
        timeout: float,
        receive_over: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.problem: str | None = None
        """Why it does not receive at present; see `Receiver`."""
        self.tried = asyncio.Event()
        """Set when the first attempt has succeeded or failed."""
        self._name = name
        self._url = url
        self._options = options
        self._timeout = timeout
        self._receive_over = receive_over

    def started(self) -> None:
        """Record that `receive_over` receives."""
        self.problem = None
        self.tried.set()

    async def run(self) -> None:
        """Receive until cancelled, or until `receive_over` raises an error that is not a loss."""
        backoff, now, repairing = Backoff(_FIRST_PAUSE, _LAST_PAUSE), asyncio.get_running_loop().time, False
        while True:
            began = now()
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await connect(self._url, self._options, repairing=repairing)
                try:
                    with losses():
                        await self._receive_over(connection)
                finally:
                    await asyncio.shield(connection.close())
            except (*LOST, TransientFailure) as error:
                repairing = True  # the cause may be a message that cannot be decoded
                if now() - began > _STEADY:
                    backoff.reset()
                pause = backoff.next()
                self.problem = f"the connection to the broker is lost ({description(error)})"
                self.tried.set()
                logger.warning("%s cannot receive and retries in %.2f s: %s", self._name, pause, self.problem)
                await asyncio.sleep(pause)
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                raise
