"""A connection that can be given up at once, and a driver whose losses are told in one way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import aiormq
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from twofold.errors import ConfigurationError, TransientFailure

LOST = (aiormq.AMQPError, aiormq.ChannelInvalidStateError, ConnectionError, OSError, TimeoutError)
"""What is raised inside `losses` when the broker, the connection or a channel is gone."""

CHECK = 3.0
"""Seconds between two looks at a connection and at what was declared: what was lost is made anew."""

_REFUSED = (aiormq.AuthenticationError, aiormq.ProbableAuthenticationError, aiormq.ConnectionNotAllowed)
"""How the broker refuses an account, or an account a virtual host."""

_POLITE = 1.0
"""How long closing waits for the broker, in seconds."""


@contextmanager
def losses() -> Iterator[None]:
    """See that the driver tells every loss as one of `LOST`, and takes no cancellation for itself.

    It also cancels those who wait, who must not take that for a cancellation of their own, or raises a bare `Exception`, a
    `RuntimeError`, or the end of its iteration. When a channel closes in the moment in which its user is cancelled, it says
    that the channel is closed, or nothing at all.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task is not None else 0
    failure: BaseException | None = None
    try:
        yield
    except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 -- raised below, as what it is
        failure = error
    if task is not None and task.cancelling() > cancelled_before:
        raise failure if isinstance(failure, asyncio.CancelledError) else asyncio.CancelledError from failure
    if isinstance(failure, asyncio.CancelledError):
        raise ConnectionError("the connection was given up") from failure
    if type(failure) in (Exception, RuntimeError, StopAsyncIteration, EOFError):
        raise ConnectionError(f"the connection was lost: {failure!r}") from failure
    if failure is not None:
        raise failure


def away(error: BaseException) -> TransientFailure:
    """Return what to raise when the broker does not answer."""
    found = f"{type(error).__name__}: {str(error) or 'not in time'}"
    return TransientFailure(f"RabbitMQ does not answer ({found}). See whether it runs, and whether the URL is right.")


def check_url(url: str) -> None:
    """See that a URL is one of RabbitMQ.

    Raises:
        ConfigurationError: it is not; the text does not repeat it, as it may have a password.
    """
    where = urlsplit(url)
    if where.scheme not in ("amqp", "amqps"):
        raise ConfigurationError(
            f"cannot use a URL that begins with {url.partition(':')[0]!r} for RabbitMQ. Give one with amqp:// or amqps://, "
            "such as amqp://guest:guest@localhost:5672/."
        )
    if not where.hostname:
        raise ConfigurationError(
            "the URL for RabbitMQ names no host. Give one such as amqp://guest:guest@localhost:5672/."
        )


class Connection:
    """A connection to the broker.

    Args:
        driver: the driver's own.
        transports: what made its transport.
    """

    def __init__(self, driver: aiormq.Connection, transports: _Transports) -> None:
        self.driver = driver
        self._transports = transports
        driver.closing.add_done_callback(lambda _: self._release())

    @property
    def is_closed(self) -> bool:
        """Whether it is gone."""
        return not self.driver.is_opened

    async def channel(self, *, confirms: bool) -> aiormq.Channel:
        """Open a channel."""
        channel = await self.driver.channel(publisher_confirms=confirms, on_return_raises=True)
        assert isinstance(channel, aiormq.Channel)  # noqa: S101 -- the driver's own type says less than it returns
        return channel

    def cut(self) -> None:
        """Give it up at once: whoever waits for an answer is told that there will be none."""
        self._transports.abort()

    async def close(self) -> None:
        """Close it when all that was sent has arrived; cut it when the broker does not say so in a moment."""
        over = ConnectionError("the connection was closed here")
        try:
            with suppress(*LOST), losses():
                async with asyncio.timeout(_POLITE):
                    for channel in list(self.driver.channels.values()):
                        if channel is not None:
                            await channel.close(over)
                    await self.driver.close(over)
        finally:
            self.cut()

    def _release(self) -> None:
        """Let those go on who wait to send: nobody takes anything out of the driver's queue any more."""
        while not self.driver.write_queue.empty():
            self.driver.write_queue.get_nowait()


async def connect(url: str, options: Mapping[str, Any]) -> Connection:
    """Open a connection.

    Raises:
        ConfigurationError: the broker answers, and does not let us in.
    """
    transports = _Transports(options.get("transport_factory"))
    try:
        with losses():
            driver = await aiormq.connect(url, **{**options, "transport_factory": transports})
    except BaseException as error:
        transports.abort()
        where = urlsplit(url)
        if isinstance(error, _REFUSED):
            raise ConfigurationError(
                f"RabbitMQ at {where.hostname} refuses the user {where.username or 'guest'!r} ({error}). Correct the user, "
                "the password or the virtual host of the URL, or give this user its permissions."
            ) from error
        if isinstance(error, aiormq.InvalidFrameError):  # how the driver tells that the broker closes in the last step
            raise ConfigurationError(
                f"RabbitMQ at {where.hostname} does not open the virtual host {unquote(where.path[1:]) or '/'!r} for the "
                f"user {where.username or 'guest'!r}. Correct the end of the URL, make that virtual host, or give the user "
                "its permissions there."
            ) from error
        raise
    assert isinstance(driver, aiormq.Connection)  # noqa: S101 -- the driver's own type says less than it returns
    return Connection(driver, transports)


class _Transports(TransportFactory):
    """Makes the transport of one connection, and keeps it: the driver itself has no way to close one that is stalled."""

    def __init__(self, chosen: TransportFactory | None) -> None:
        self._chosen = chosen
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Make it."""
        factory = self._chosen or (TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory())
        reader, self._writer = await factory.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        """Close it without waiting for anything."""
        if self._writer is not None:
            self._writer.transport.abort()
