"""A network between clients and their server that can be stalled, slowed and cut."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65536


class Link:
    """A connection of a client, and its connection to the server.

    Args:
        to_client: writes to the client.
        flowing: set while the link forwards data.
    """

    def __init__(self, to_client: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        self.flowing = flowing
        self._ends = [to_client]

    def connected(self, to_server: asyncio.StreamWriter) -> None:
        """Set the connection to the server."""
        self._ends.append(to_server)

    def cut(self) -> None:
        """Break both connections."""
        for end in self._ends:
            end.transport.abort()


class Proxy:
    """Forwards data between clients and a server, until a test changes that.

    Args:
        url: the server.
        context: how clients connect with TLS, which ends here; None for no TLS.

    Attributes:
        delay: seconds of delay of each chunk, in each direction.
        refused: the number of refused connections; see `refuse`.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self.delay = 0.0
        self.refused = 0
        self._target = urlsplit(url)
        self._port = 0
        self._flowing = _set()
        self._swallowed: list[asyncio.Event] = []
        self._refusing = False
        self._links: set[Link] = set()

    @property
    def url(self) -> str:
        """The URL of the server through this proxy."""
        login = self._target.netloc.rpartition("@")[0]
        place = f"{login}@127.0.0.1:{self._port}" if login else f"127.0.0.1:{self._port}"
        scheme = self._target.scheme if self._context is None else f"{self._target.scheme}s"
        return urlunsplit(self._target._replace(scheme=scheme, netloc=place))

    @property
    def connections(self) -> int:
        """The number of connections of clients, after their TLS handshakes."""
        return len(self._links)

    def lead_to(self, url: str) -> None:
        """Connect new clients to another server, and break existing connections."""
        self._target = urlsplit(url)
        self.cut()

    def stall(self) -> None:
        """Pass nothing on; connections stay open, and new connections are accepted and stay silent."""
        self._flowing.clear()

    def swallow(self) -> None:
        """Pass nothing on over present connections, as a router that has lost them; new connections work."""
        self._flowing.clear()
        self._swallowed.append(self._flowing)
        self._flowing = _set()

    def refuse(self) -> None:
        """Break every connection, and each new one."""
        self._refusing = True
        self.cut()

    def resume(self) -> None:
        """Forward everything again, including data that was delayed, and accept connections."""
        self._refusing = False
        for each in (self._flowing, *self._swallowed):
            each.set()

    def cut(self) -> None:
        """Break every connection."""
        for link in tuple(self._links):
            link.cut()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accept connections for the length of a block."""
        async with asyncio.TaskGroup() as links:
            closed = False

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if closed or self._refusing:
                    self.refused += 1
                    writer.transport.abort()
                else:
                    links.create_task(self._accept(reader, writer))

            server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self._context)
            self._port = server.sockets[0].getsockname()[1]
            try:
                yield
            finally:
                closed = True
                server.close()
                self.resume()
                self.cut()

    def link(self, to_client: asyncio.StreamWriter) -> Link:
        """Return the link of a new connection."""
        return Link(to_client, self._flowing)

    async def let_request(self, link: Link, chunk: bytes) -> bool:
        """Hold a chunk on its way to the server as long as necessary; return False to break the connection instead."""
        return await self._let(link)

    async def let_answer(self, link: Link, chunk: bytes) -> bool:
        """Hold a chunk on its way to the client as long as necessary; return False to break the connection instead."""
        return await self._let(link)

    async def _let(self, link: Link) -> bool:
        await link.flowing.wait()
        await self._delay()
        return True

    async def _delay(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        link = self.link(to_client)
        self._links.add(link)
        try:
            await link.flowing.wait()
            from_server, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
            link.connected(to_server)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(link, from_client, to_server, self.let_request))
                ways.create_task(self._pass_on(link, from_server, to_client, self.let_answer))
        except OSError:
            pass  # the server is away: the client sees the end of its connection
        finally:
            self._links.discard(link)
            link.cut()

    async def _pass_on(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        let: Callable[[Link, bytes], Awaitable[bool]],
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if not await let(link, chunk):
                    link.cut()
                    return
                writer.write(chunk)
                await writer.drain()
        writer.close()


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
