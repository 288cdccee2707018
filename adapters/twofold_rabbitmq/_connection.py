"""Connections to RabbitMQ that can be aborted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast
from urllib.parse import unquote, urlsplit

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AuthenticationError, InvalidFrameError, ProbableAuthenticationError

from twofold.errors import ConfigurationError

from ._frames import RepairingReader
from ._losses import LOST, losses

CHECK = 3.0
"""Seconds between two checks of a connection and of the queues and exchanges that its user has declared."""

_REFUSED = (AuthenticationError, ProbableAuthenticationError, aiormq.ConnectionNotAllowed)
"""The errors with which the broker refuses a user, or a user's access to a virtual host."""

_CLOSING = 1.0
"""Seconds that `close` waits for the broker, and a TLS socket for its peer."""


def check_url(url: str) -> None:
    """Validate the URL of a broker.

    Raises:
        ConfigurationError: the URL is not a RabbitMQ URL. The message does not repeat the URL, which may contain a password.
    """
    example = "Example: amqp://guest:guest@localhost:5672/."
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            "RabbitMQ(url): this is not a URL. Percent-encode special characters in the user name and the password. "
            f"{example}"
        ) from None  # the text of the error may contain the password
    if scheme not in ("amqp", "amqps"):
        raise ConfigurationError(f"RabbitMQ(url): the URL must begin with amqp:// or amqps://. {example}")
    if not host:
        raise ConfigurationError(f"RabbitMQ(url): the URL must contain a host. {example}")


class Connection(aio_pika.Connection):
    """A connection of aio-pika that can be aborted.

    aiormq closes a connection in an orderly way only. On a stalled network that takes three missed heartbeats, three
    minutes by default, and longer while data is unsent; all callers wait during this time. Aborting needs the socket,
    which only aiormq's `TransportFactory` gives access to.
    """

    repairing: ClassVar = False
    """Whether messages with properties that cannot be decoded arrive without their properties; see `RepairingReader`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._socket = _Socket(repairing=self.repairing)
        self.kwargs["transport_factory"] = self._socket
        self._cleanup: asyncio.Task[None] | None = None

    async def connect(self, timeout: float | None = None) -> None:
        """Connect to the broker."""
        try:
            await super().connect(timeout)
        except BaseException:
            self.abort()
            raise
        if self.transport is not None:
            below = self.transport.connection
            below.closing.add_done_callback(lambda _: self._lost(below))

    def abort(self) -> None:
        """Close the socket without waiting. Calls that wait for an answer of the broker raise one of `LOST`."""
        self._socket.abort()

    async def close(self, exc: aiormq.abc.ExceptionType | None = None) -> None:
        """Close the channels, which flushes what was sent, and the connection. Abort it if the broker does not answer."""
        reason = exc or ConnectionError("the connection was closed by this process")
        try:
            with suppress(*LOST), losses():
                async with asyncio.timeout(_CLOSING):
                    # aiormq's `close` drops frames that are queued; closing a channel is answered after all of them.
                    for channel in list(self.transport.connection.channels.values()) if self.transport else ():
                        if channel is not None:
                            await channel.close(reason)
                    await super().close(reason)
        finally:
            self.abort()

    def _lost(self, below: aiormq.abc.AbstractConnection) -> None:
        # aiormq has stopped to read this queue: empty it, or its publishers wait for a place in it forever.
        while not below.write_queue.empty():
            below.write_queue.get_nowait()
        if not self.close_called:
            self._cleanup = self.loop.create_task(self.close())


class _Repairing(Connection):
    repairing = True


async def connect(url: str, options: Mapping[str, Any], *, repairing: bool = False) -> Connection:
    """Open a connection.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        repairing: whether messages with properties that cannot be decoded arrive without their properties. Otherwise such a
            message closes the connection. The check costs some time for each message.

    Raises:
        ConfigurationError: the broker refuses the user or the virtual host.
    """
    try:
        with losses():
            connection: Connection = await aio_pika.connect(
                url, connection_class=_Repairing if repairing else Connection, **options
            )
            return connection
    except _REFUSED as error:
        parts = urlsplit(url)
        raise ConfigurationError(
            f"RabbitMQ at {parts.hostname} refuses the user {parts.username or 'guest'!r} ({error}). Correct the user, the "
            "password or the virtual host in the URL, or give the user its permissions."
        ) from error
    except InvalidFrameError as error:  # aiormq's error for a broker that closes the connection in the last step
        parts = urlsplit(url)
        raise ConfigurationError(
            f"RabbitMQ at {parts.hostname} does not open the virtual host {unquote(parts.path[1:]) or '/'!r} for the user "
            f"{parts.username or 'guest'!r}. Correct the path of the URL, create the virtual host, or give the user its "
            "permissions there."
        ) from error


async def underlying(channel: AbstractChannel) -> aiormq.Channel:
    """Return the aiormq channel of an aio-pika channel, for messages, acknowledgements and bindings.

    aio-pika's own calls are not enough there (decision 0014): they wait for the socket with each message and each
    acknowledgement, build an object for each message, and wait for the broker with each binding.
    """
    found = await channel.get_underlay_channel()
    assert isinstance(found, aiormq.Channel)  # noqa: S101 -- declared with a wider type
    return found


class _Socket(aiormq.TransportFactory):
    """Opens the socket of one connection, and keeps it."""

    def __init__(self, *, repairing: bool) -> None:
        self._repairing = repairing
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: Any, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the socket."""
        provider: aiormq.SSLContextProvider = kwargs.pop("ssl_context_provider")
        if url.scheme == "amqps":
            kwargs |= {"ssl": await provider.get_context(), "ssl_shutdown_timeout": _CLOSING}
        reader, self._writer = await asyncio.open_connection(url.host, url.port, **kwargs)
        return (cast(asyncio.StreamReader, RepairingReader(reader)) if self._repairing else reader), self._writer

    def abort(self) -> None:
        """Close the socket without waiting."""
        if self._writer is not None:
            self._writer.transport.abort()
