"""Where data lives, said once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

import places
from orders.commands import write_side
from orders.domain import Order
from orders.messages import OrderCancelled, OrderCreated, OrderPaid, OrderShipped, ShipOrder
from orders.read_side import read_side
from orders.tables import OrderTables, metadata
from twofold import Application, Router
from twofold.middleware import retry_conflicts
from twofold.ports import Requests
from twofold_sqlalchemy import SqlAlchemy


@asynccontextmanager
async def running(
    write: str, read: str | None = None, *more: Router, transport: str | None = None, event_sourced: bool = False
) -> AsyncIterator[Application]:
    """Run the application on what these URLs name. One line says how orders are kept: as rows or events."""
    async with AsyncExitStack() as opened:
        engine = create_async_engine(write)
        opened.push_async_callback(engine.dispose)
        reading = await opened.enter_async_context(places.reading(read))
        broker = await opened.enter_async_context(places.transport(transport)) if transport else None
        app = Application(
            "orders",
            write=SqlAlchemy(engine, state={Order: OrderTables()}),
            read=reading.store,
            cache=reading.cache,
            notifier=reading.notifier,
            transport=broker,
            event_sourced=[Order] if event_sourced else [],
            middleware=[retry_conflicts()],
        )
        for router in (write_side, read_side, *more):
            app.include(router)
        if transport:
            app.relay(OrderCreated, OrderPaid, OrderShipped, OrderCancelled, unroutable="drop")
        if isinstance(broker, Requests):  # RabbitMQ carries commands of other services, too
            app.serve(ShipOrder)
        await app.create_schema()
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield await opened.enter_async_context(app)
