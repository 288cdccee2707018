"""Where data lives, said once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from orders import figures as _figures  # noqa: F401 -- registers the query of the totals
from orders.commands import write_side
from orders.domain import Order
from orders.read_side import read_side
from orders.tables import OrderTables, metadata
from twofold import Application, Module
from twofold.middleware import retry_conflicts
from twofold.ports import WriteStore
from twofold_sqlalchemy import SqlAlchemy


def compose(write: WriteStore, *more: Module, event_sourced: bool = False) -> Application:
    """Return the application on a store. One line chooses how orders are kept: as rows, or as their events."""
    app = Application("orders", write=write, event_sourced=[Order] if event_sourced else [])
    app.use(retry_conflicts())
    for module in (write_side, read_side, *more):
        app.include(module)
    return app


@asynccontextmanager
async def running(database: Path, *more: Module, event_sourced: bool = False) -> AsyncIterator[Application]:
    """Run the application on an SQLite file, made when it is missing."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    try:
        app = compose(SqlAlchemy(engine, state={Order: OrderTables()}), *more, event_sourced=event_sourced)
        await app.create_schema()
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        async with app:
            yield app
    finally:
        await engine.dispose()
