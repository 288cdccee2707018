"""Where data lives, said once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from orders import figures as _figures  # noqa: F401 -- registers the query of the totals
from orders.commands import write_side
from orders.domain import Order
from orders.read_side import read_side
from orders.tables import OrderTables, metadata
from twofold import Application, Module
from twofold.middleware import retry_conflicts
from twofold_sqlalchemy import SqlAlchemy


@asynccontextmanager
async def running(
    write: str, read: str | None = None, *more: Module, event_sourced: bool = False
) -> AsyncIterator[Application]:
    """Run the application on the databases of two URLs, or of one. One line says how orders are kept: as rows or events."""
    engine = create_async_engine(write)
    reading = create_async_engine(read) if read else engine
    store = SqlAlchemy(engine, state={Order: OrderTables()})
    app = Application(
        "orders",
        write=store,
        read=SqlAlchemy(reading) if read else store,
        event_sourced=[Order] if event_sourced else [],
        middleware=[retry_conflicts()],
    )
    for module in (write_side, read_side, *more):
        app.include(module)
    try:
        await app.create_schema()
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        async with app:
            yield app
    finally:
        await reading.dispose()
        await engine.dispose()
