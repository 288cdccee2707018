"""A network between a client and its server that can be stalled and cut."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65536


class Network:
    """Passes on what clients and a server say to each other, until told otherwise.

    Args:
        url: the server.
        context: how clients connect with TLS, which ends here; None for no TLS.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self._target = urlsplit(url)
        self._context = context
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._swallowed: list[asyncio.Event] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The way to the server through here."""
        login = self._target.netloc.rpartition("@")[0]
        place = f"{login}@127.0.0.1:{self._port}" if login else f"127.0.0.1:{self._port}"
        scheme = self._target.scheme if self._context is None else f"{self._target.scheme}s"
        return urlunsplit(self._target._replace(scheme=scheme, netloc=place))

    @property
    def connections(self) -> int:
        """How many connections of clients there are, after their TLS handshakes."""
        return len(self._clients)

    def stall(self) -> None:
        """Pass nothing on any more, in no direction; connections stay, and new ones are accepted and say nothing."""
        self._flowing.clear()

    def swallow(self) -> None:
        """Pass nothing on over the connections that there are, as a router that has forgotten them; new ones work."""
        self._flowing.clear()
        self._swallowed.append(self._flowing)
        self._flowing = asyncio.Event()
        self._flowing.set()

    def resume(self) -> None:
        """Pass everything on again, what was held back too."""
        for each in (self._flowing, *self._swallowed):
            each.set()

    def cut(self) -> None:
        """Break every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accept connections for the length of a block."""
        async with asyncio.TaskGroup() as links:
            server = await asyncio.start_server(
                lambda *ends: links.create_task(self._accept(*ends)), "127.0.0.1", 0, ssl=self._context
            )
            self._port = server.sockets[0].getsockname()[1]
            try:
                yield
            finally:
                server.close()
                self.resume()
                self.cut()

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        ends = {to_client}
        self._writers.add(to_client)
        self._clients.add(to_client)
        flowing = self._flowing
        try:
            await flowing.wait()
            from_server, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
            ends.add(to_server)
            self._writers.add(to_server)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(from_client, to_server, flowing))
                ways.create_task(self._pass_on(from_server, to_client, flowing))
        except OSError:
            pass  # the server is away: the client is told by the end of its connection
        finally:
            self._writers -= ends
            self._clients -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await flowing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()
