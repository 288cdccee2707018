"""The application that the tests of the command line work on: a shop on a SQLite file that SHOP_DATABASE names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, Retry, Router, View, on
from twofold_sqlalchemy import SqlAlchemy


class Placed(Event, name="shop.placed"):
    order_id: str
    product: str


class Order(Aggregate, name="shop_order"):
    id: str = ""

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id = event.order_id


class Place(Command[str], name="shop.place"):
    order_id: str
    product: str


class OrderRow(View, name="shop_order_row", key="order_id"):
    order_id: str
    product: str


class GetOrder(Query["OrderRow | None"]):
    order_id: str


shop = Router("shop")


@shop.command_handler(Place)
async def place(command: Place, orders: Repository[Order]) -> str:
    """Place an order."""
    await orders.add(Order.begin(Placed(order_id=command.order_id, product=command.product)))
    return command.order_id


@shop.projection("order_rows")
class OrderRows:
    @on(Placed)
    async def placed(self, event: Placed, rows: ReadModel[OrderRow]) -> None:
        await rows.put(OrderRow(order_id=event.order_id, product=event.product))


@shop.query_handler(GetOrder)
async def get_order(query: GetOrder, rows: ReadModel[OrderRow]) -> OrderRow | None:
    """Return the row of an order."""
    return await rows.get(query.order_id)


@shop.event_handler(Placed, name="mail", start="beginning", retry=Retry(attempts=1))
async def mail(event: Placed) -> None:
    """Send a mail. The mail server refuses the product that SHOP_REFUSES names."""
    if event.product == os.environ.get("SHOP_REFUSES"):
        raise ConnectionError(f"no mail about {event.product}")


def application(store: SqlAlchemy) -> Application:
    """Return the shop on a store."""
    app = Application("shop", write=store, event_sourced=[Order], lease=0.6)
    app.include(shop)
    return app


@asynccontextmanager
async def opened() -> AsyncIterator[Application]:
    """Give the shop on the database that the environment names: the target of the command line."""
    engine = create_async_engine(os.environ["SHOP_DATABASE"])
    try:
        yield application(SqlAlchemy(engine))
    finally:
        await engine.dispose()
