"""The connection of an application to its broker. The broker need not be available when the application starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from .._background.backoff import Backoff
from .._background.failures import description
from .._background.log_lines import logger_of
from ..errors import TransientFailure
from ..ports.transport import Feed, Transport

logger = logger_of("twofold.broker")


class Broker:
    """A transport that is opened, with all its feeds declared, as soon as the broker answers.

    Nothing is published or received before that.

    Args:
        transport: the transport.
        feeds: the feeds that the application receives.
    """

    def __init__(self, transport: Transport, feeds: Sequence[Feed]) -> None:
        self.transport = transport
        self.feeds = feeds
        self.error: Exception | None = None
        """The error of the last attempt to connect; None after a success."""
        self.reached = False

    async def reach(self) -> Transport:
        """Return the transport, open and with all feeds declared.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: the broker has a feed with other properties, or refuses the login.
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
        """Retry with backoff until the broker is connected. Until then, `error` contains the reason."""
        backoff, logged = Backoff(), None if self.error is None else description(self.error)
        while not self.reached:
            try:
                await self.reach()
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                if description(error) != logged:
                    # A wrong configuration does not end this job either: health() reports it until it is corrected.
                    level = logging.WARNING if isinstance(error, TransientFailure) else logging.ERROR
                    logger.log(level, "cannot connect to the broker, and retries: %s", error)
                    logged = description(error)
                await anyio.sleep(backoff.next())
