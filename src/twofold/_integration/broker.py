"""A broker as an application has it: it need not be there when the application starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from .._background.backoff import Backoff
from ..errors import TransientFailure
from ..ports.transport import Feed, Transport

logger = logging.getLogger("twofold.broker")


class Broker:
    """A transport that is opened, with all that is to be received declared, as soon as the broker answers.

    Nothing is published or received before that.

    Args:
        transport: the transport.
        feeds: what is received.
    """

    def __init__(self, transport: Transport, feeds: Sequence[Feed]) -> None:
        self.transport = transport
        self.feeds = feeds
        self.error: Exception | None = None
        """Why the last attempt to reach it failed; None once it was reached."""
        self.reached = False

    async def reach(self) -> Transport:
        """Return the transport, when it is open and has declared all feeds.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: it has something in another form, or does not let us in.
        """
        if not self.reached:
            try:
                await self.transport.open()
                for feed in self.feeds:
                    await self.transport.declare(feed)
            except Exception as error:
                self.error = error
                raise
            self.reached, self.error = True, None
        return self.transport

    async def keep_reaching(self) -> None:
        """Try until it is reached; what fails is in `error` meanwhile."""
        backoff, said = Backoff(), None if self.error is None else str(self.error)
        while not self.reached:
            try:
                await self.reach()
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                if str(error) != said:
                    # What is no absence ends this job no more than that: health() shows it until somebody has mended it.
                    level = logging.WARNING if isinstance(error, TransientFailure) else logging.ERROR
                    logger.log(level, "the broker is not reached, and is tried again: %s", error)
                    said = str(error)
                await anyio.sleep(backoff.next())
