"""The application whose source loses events: a depot on the SQLite file that SHOP_DATABASE names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from tests.domains.shops import Sold
from twofold import Application
from twofold_memory import InMemoryTransport
from twofold_sqlalchemy import SqlAlchemy

BROKER = InMemoryTransport()


@asynccontextmanager
async def opened() -> AsyncIterator[Application]:
    """Give the depot: the target of the command line."""
    engine = create_async_engine(os.environ["SHOP_DATABASE"])
    try:
        app = Application("depot", write=SqlAlchemy(engine), transport=BROKER)
        app.consume(Sold, source="shop")
        yield app
    finally:
        await engine.dispose()
