"""The write side's own tables: orders and their items, normalised, with a version."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from orders.domain import Order, Status
from orders.messages import OrderLine
from twofold_sqlalchemy import AggregateRows, ExactDecimal, TableMapping, UtcDateTime

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("user_name", String(200), nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
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
)

COPIED = "id", "user_id", "user_name", "placed_at"


class OrderTables(TableMapping[Order]):
    root, version = orders, orders.c.version
    parts = (order_items,)

    def to_rows(self, order: Order) -> AggregateRows:
        root = {name: getattr(order, name) for name in COPIED} | {"status": order.status.value}
        items = [{"number": number, **dict(line)} for number, line in enumerate(order.lines, 1)]
        return AggregateRows(root, {order_items: items})

    def from_rows(self, rows: AggregateRows) -> Order:
        order = Order.replay()
        for name in COPIED:
            setattr(order, name, rows.root[name])
        order.status = Status(rows.root["status"])
        order.lines = tuple(OrderLine(**row) for row in rows.parts[order_items])
        return order
