"""The stores of the crash lab's processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import create_async_engine

from twofold_sqlalchemy import SqlAlchemy


class Place(NamedTuple):
    """Where the shop keeps its data.

    Attributes:
        write: the URL of the write side's database.
        read: that of the read side's; the same one when None.
    """

    write: str
    read: str | None = None


class Stores(NamedTuple):
    """The opened databases; one object twice where one is both."""

    write: SqlAlchemy
    read: SqlAlchemy

    def of(self, subscription: str) -> SqlAlchemy:
        """Return the store with a subscription's checkpoint, which is the store with its rows."""
        return self.write if subscription == "rewards" else self.read


@asynccontextmanager
async def both(place: Place, *, idle: float | None = None) -> AsyncIterator[Stores]:
    """Open the databases for the length of a block."""
    async with opened(place.write, idle=idle) as write:
        if place.read is None:
            yield Stores(write, write)
            return
        async with opened(place.read, idle=idle) as read:
            yield Stores(write, read)


@asynccontextmanager
async def opened(url: str, *, idle: float | None = None) -> AsyncIterator[SqlAlchemy]:
    """Open a database for the length of a block.

    Args:
        url: where it is.
        idle: seconds after which the server ends a session that idles in a transaction; never when None.
    """
    engine = create_async_engine(url)
    try:
        yield SqlAlchemy(engine, idle_transaction_timeout=idle)
    finally:
        await engine.dispose()
