"""Running the application that serves the stock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.domains.stock import stock
from twofold import Application
from twofold.ports import Requests, WriteStore
from twofold.testing.conformance._tools.in_time import in_time


@asynccontextmanager
async def serving(store: WriteStore, broker: Requests) -> AsyncIterator[Application]:
    """Run the application that serves the stock."""
    app = Application("stock", write=store, requests=broker)
    app.include(stock)
    await app.create_schema()
    with in_time():
        async with app:
            yield app
