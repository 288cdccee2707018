"""A network between the processes and their database server that can be cut, stalled and delayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from sqlalchemy import make_url

_CHUNK = 65536

_READY = b"Z\0\0\0\5"
"""How PostgreSQL says that it is ready for the next query; one more byte tells the state of the transaction."""


class Proxy:
    """Passes on what clients and a server say to each other, until told otherwise.

    Attributes:
        delay: seconds that whatever is said takes, each way.
        lost: how many commits were lost; see `lose`.
        refused: how many connections were refused; see `refuse`.
        postgresql: whether the server is one.
    """

    def __init__(self, url: str) -> None:
        self.delay = 0.0
        self.lost = 0
        self.refused = 0
        self._target = make_url(url)
        self.postgresql = self._target.get_backend_name() == "postgresql"
        self._lose: Literal["request", "answer"] | None = None
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._port = 0

    @property
    def url(self) -> str:
        """The way to the database through here. It is not encrypted, so that commits are recognised."""
        url = self._target.set(host="127.0.0.1", port=self._port)
        if self.postgresql:
            url = url.update_query_dict({"ssl": "disable"})
        return url.render_as_string(hide_password=False)

    def cut(self) -> None:
        """Break every connection."""
        for link in tuple(self._links):
            link.cut()

    def refuse(self) -> None:
        """Break every connection, and any new one."""
        self._refusing = True
        self.cut()

    def lose(self, part: Literal["request", "answer"]) -> None:
        """Break the connection of the next commit: before it reaches the server, or before the answer reaches the client."""
        self._lose = part

    def stall(self) -> None:
        """Let no request through any more; an exchange that is under way ends."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let requests through again, those that were held back too, and new connections."""
        self._refusing = False
        self._flowing.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accept connections for the length of a block."""
        async with asyncio.TaskGroup() as links:
            server = await asyncio.start_server(lambda *ends: links.create_task(self._accept(*ends)), "127.0.0.1", 0)
            self._port = server.sockets[0].getsockname()[1]
            try:
                yield
            finally:
                server.close()
                self.resume()
                self.cut()

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.refused += 1
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection(self._target.host, self._target.port)
        except OSError:
            to_client.transport.abort()
            return
        link = _Link(self, to_client, to_server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(link.requests(from_client))
                ways.create_task(link.answers(from_server))
        finally:
            self._links.discard(link)

    async def pass_on(self, at_rest: bool) -> None:
        """Wait as long as a request has to."""
        if at_rest:
            await self._flowing.wait()
        if self.delay:
            await asyncio.sleep(self.delay)

    def loses(self, part: Literal["request", "answer"]) -> bool:
        """Tell whether this part of a commit is lost now."""
        if self._lose != part:
            return False
        self._lose = None
        self.lost += 1
        return True


class _Link:
    """One connection, and what is known of it."""

    def __init__(self, proxy: Proxy, to_client: asyncio.StreamWriter, to_server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._to_client = to_client
        self._to_server = to_server
        self._at_rest = False
        self._committing = False

    def cut(self) -> None:
        """Break it."""
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def requests(self, client: asyncio.StreamReader) -> None:
        """Pass on what the client says."""
        try:
            while chunk := await client.read(_CHUNK):
                await self._proxy.pass_on(self._at_rest)
                self._at_rest, self._committing = False, b"COMMIT" in chunk
                if self._committing and self._proxy.loses("request"):
                    break
                self._to_server.write(chunk)
                await self._to_server.drain()
        except OSError:
            pass
        finally:
            self.cut()

    async def answers(self, server: asyncio.StreamReader) -> None:
        """Pass on what the server says."""
        try:
            while chunk := await server.read(_CHUNK):
                await self._proxy.pass_on(False)
                if self._committing and self._proxy.loses("answer"):
                    break
                self._at_rest = chunk[-6:-1] == _READY or not self._proxy.postgresql
                self._to_client.write(chunk)
                await self._to_client.drain()
        except OSError:
            pass
        finally:
            self.cut()
