"""An application with a process, on the SQLite file that SHOP_DATABASE names. Refunds of the order in SHOP_REFUSES fail."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Application
from twofold.testing.conformance._domain.fulfilment import Handlers, Undeclared, fulfilling, shop
from twofold_sqlalchemy import SqlAlchemy


@asynccontextmanager
async def opened() -> AsyncIterator[Application]:
    """Give the application: the target of the command line."""
    engine = create_async_engine(os.environ["SHOP_DATABASE"])
    handlers = Handlers(failing={("refund", os.environ.get("SHOP_REFUSES", "")): Undeclared})
    try:
        yield shop(SqlAlchemy(engine), fulfilling(handlers))
    finally:
        await engine.dispose()
