"""A network between processes and their database that loses commits, and that stalls between two exchanges."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from sqlalchemy import make_url

from tests.servers.proxy import Link, Proxy

_COMMIT = re.compile(rb"COMMIT(?!TED)")
"""A request that commits; READ COMMITTED begins a transaction."""

_READY = b"Z\0\0\0\5"
"""The message by which PostgreSQL is ready for the next query; one more byte gives the state of the transaction."""


class DatabaseLink(Link):
    """A connection to a database.

    Attributes:
        at_rest: whether the last exchange has ended.
        committing: whether the last request commits.
    """

    at_rest = False
    committing = False


class DatabaseProxy(Proxy):
    """A proxy that parses enough of the protocol to recognise a commit and the end of an exchange.

    Attributes:
        lost: the number of lost commits; see `lose`.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lost = 0
        self._postgresql = make_url(url).get_backend_name() == "postgresql"
        self._lose: Literal["request", "answer", "late answer"] | None = None
        self._late = asyncio.Event()

    @property
    def url(self) -> str:
        """The URL of the database through this proxy. The connection is not encrypted, so that commits are recognised."""
        url = make_url(super().url)
        if self._postgresql:
            url = url.update_query_dict({"ssl": "disable"})
        return url.render_as_string(hide_password=False)

    def lose(self, part: Literal["request", "answer", "late answer"]) -> None:
        """Break the connection of the next commit, before the server gets it or before the client gets the answer.

        A late answer is delayed until `arrive`, while the connection stays open.
        """
        self._lose = part
        self._late.clear()

    def arrive(self) -> None:
        """Pass a late answer on."""
        self._late.set()

    def resume(self) -> None:
        """Forward everything again, late answers included."""
        super().resume()
        self.arrive()

    def link(self, to_client: asyncio.StreamWriter) -> DatabaseLink:
        """Return the link of a new connection."""
        return DatabaseLink(to_client, self._flowing)

    async def let_request(self, link: Link, chunk: bytes) -> bool:
        """Hold a request while the proxy stalls, unless the exchange began before; lose a commit."""
        assert isinstance(link, DatabaseLink)
        if link.at_rest:
            await link.flowing.wait()
        await self._delay()
        link.at_rest, link.committing = False, _COMMIT.search(chunk) is not None
        return not (link.committing and self._loses("request"))

    async def let_answer(self, link: Link, chunk: bytes) -> bool:
        """Pass an answer on, also while the proxy stalls; lose the answer to a commit."""
        assert isinstance(link, DatabaseLink)
        await self._delay()
        if link.committing and self._loses("answer"):
            return False
        if link.committing and self._loses("late answer"):
            await self._late.wait()
        link.at_rest = chunk[-6:-1] == _READY or not self._postgresql
        return True

    def _loses(self, part: Literal["request", "answer", "late answer"]) -> bool:
        if self._lose != part:
            return False
        self._lose = None
        self.lost += 1
        return True
