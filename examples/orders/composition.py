"""The composition root: it names the stores and the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

import places
from orders.commands import write_side
from orders.container import Container
from orders.domain import Order
from orders.messages import OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped, ShipOrder
from orders.read_side import read_side
from orders.tables import OrderTables, create_tables
from twofold import Application, Router
from twofold.middleware import retry_conflicts
from twofold.ports import Requests
from twofold_sqlalchemy import SqlAlchemy

FILE = "sqlite+aiosqlite:///orders.db"


@asynccontextmanager
async def running(
    write: str,
    read: str | None = None,
    *more: Router,
    transport: str | None = None,
    event_sourced: bool = False,
    container: Container | None = None,
) -> AsyncIterator[Application]:
    """Run the application on the stores of these URLs. One line decides whether orders are stored as rows or as events."""
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
            container=container or Container(),
            event_sourced=[Order] if event_sourced else [],
            middleware=[retry_conflicts()],
        )
        for router in (write_side, read_side, *more):
            app.include(router)
        if transport:
            app.relay(OrderCreated, OrderPaid, OrderShipped, OrderDelivered, OrderCancelled, unroutable="drop")
        if isinstance(broker, Requests):  # RabbitMQ also carries the commands of other services
            app.serve(ShipOrder)
        await app.create_schema()
        await create_tables(engine)
        yield await opened.enter_async_context(app)
