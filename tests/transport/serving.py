"""Running the application that serves the stock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.domains.stock import stock
from twofold import Application
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemoryTransport


@asynccontextmanager
async def serving(store: WriteStore, broker: InMemoryTransport) -> AsyncIterator[Application]:
    """Run the application that serves the stock."""
    app = Application("stock", write=store, transport=broker)
    app.include(stock)
    await app.create_schema()
    with in_time():
        async with app:
            yield app
