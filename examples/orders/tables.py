"""The tables of the write side: orders and their items."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateTable

from orders.domain import Order
from orders.messages import Address, OrderLine, Payment, Status
from twofold_sqlalchemy import AggregateRows, ExactDecimal, TableMapping, UtcDateTime

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("user_name", String(200), nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("recipient", String(200), nullable=False),
    Column("street", String(200), nullable=False),
    Column("city", String(200), nullable=False),
    Column("country", String(200), nullable=False),
    Column("payment", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("version", Integer, nullable=False),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("product_id", String(40), nullable=False),
    Column("product_name", String(200), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", ExactDecimal, nullable=False),
    Column("image", String(200)),
)


async def create_tables(engine: AsyncEngine) -> None:
    """Create the tables that do not exist, each in a transaction of its own, because other processes may start as well."""
    for table in metadata.sorted_tables:
        async with engine.begin() as connection:
            await connection.execute(CreateTable(table, if_not_exists=True))


COPIED = "id", "user_id", "user_name", "placed_at"


class OrderTables(TableMapping[Order]):
    root, version = orders, orders.c.version
    parts = (order_items,)

    def to_rows(self, order: Order) -> AggregateRows:
        root = {name: getattr(order, name) for name in COPIED} | dict(order.address)
        root |= {"payment": order.payment.value, "status": order.status.value}
        items = [{"number": number, **dict(line)} for number, line in enumerate(order.lines, 1)]
        return AggregateRows(root, {order_items: items})

    def from_rows(self, rows: AggregateRows) -> Order:
        order = Order.replay()
        for name in COPIED:
            setattr(order, name, rows.root[name])
        order.address = Address(**{name: rows.root[name] for name in Address.model_fields})
        order.payment = Payment(rows.root["payment"])
        order.status = Status(rows.root["status"])
        order.lines = tuple(OrderLine(**row) for row in rows.parts[order_items])
        return order
