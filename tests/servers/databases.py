"""A database for each test that wants one: an empty one, or one with Twofold's tables."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from twofold_sqlalchemy import SqlAlchemy

from .kind import DatabaseKind, within


class Databases:
    """Lends databases of one server to tests.

    A returned database is emptied and lent again. On PostgreSQL that takes 30 ms; dropping it and creating another
    takes 130. Separate schemas would take 10 ms. But advisory locks, notifications and the list of sessions belong to a
    database, so tests would affect each other.

    Most tests begin with Twofold's tables. Databases that have them are lent separately: their rows are deleted, which
    is ten times cheaper than to drop the tables and create them again.
    """

    def __init__(self, kind: DatabaseKind, url: str) -> None:
        self.kind = kind
        self.url = url
        self._all: list[str] = []
        self._empty: list[str] = []
        self._prepared: list[str] = []
        self._tables = ""

    @contextmanager
    def lend(self, *, prepared: bool = False) -> Iterator[Callable[[], str]]:
        """Give a function that returns the URL of one more database at each call, for as long as the block lasts.

        Args:
            prepared: the database has Twofold's tables, without rows; otherwise it is empty. `create_schema` is still
                to be called: it gives the log its identity.
        """
        lent: list[str] = []
        spare = self._prepared if prepared else self._empty

        def one() -> str:
            database = spare.pop() if spare else self._new(prepared)
            lent.append(database)
            return within(self.url, database)

        try:
            yield one
        finally:
            for database in lent:
                if prepared and self.kind.clear(self.url, database) == self._tables:
                    self._prepared.append(database)
                else:
                    self.kind.empty(self.url, database)
                    self._empty.append(database)

    def close(self) -> None:
        """Drop them all."""
        while self._all:
            self.kind.drop(self.url, self._all.pop())

    def _new(self, prepared: bool) -> str:
        if self._empty:
            database = self._empty.pop()
        else:
            database = f"twofold_test_{secrets.token_hex(6)}"
            self.kind.create(self.url, database)
            self._all.append(database)
        if prepared:
            with ThreadPoolExecutor(1) as thread:  # the caller's thread may have a running event loop
                thread.submit(asyncio.run, create_tables(within(self.url, database))).result()
            self._tables = self.kind.clear(self.url, database)
        return database


async def create_tables(url: str) -> None:
    """Create Twofold's tables in a database."""
    engine = create_async_engine(url)
    try:
        await SqlAlchemy(engine).create_schema([])
    finally:
        await engine.dispose()
