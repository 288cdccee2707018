"""The write side's own tables: orders and their items, normalised, with a version."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, Numeric, String, Table
from sqlalchemy.types import TypeDecorator

from orders.domain import Order, Status
from orders.messages import OrderLine
from twofold_sqlalchemy import AggregateRows, TableMapping

metadata = MetaData()


class Money(TypeDecorator[Decimal]):
    """An exact amount: NUMERIC, and text on SQLite, whose own decimals are floating point."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(String(40) if dialect.name == "sqlite" else Numeric(19, 4))

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> Any:
        return str(value) if dialect.name == "sqlite" and value is not None else value

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value)


orders = Table(
    "orders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("user_name", String(200), nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
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
    Column("unit_price", Money, nullable=False),
)


class OrderTables(TableMapping[Order]):
    root, version = orders, orders.c.version
    parts = (order_items,)

    def to_rows(self, order: Order) -> AggregateRows:
        items = [
            {
                "number": number,
                "product_id": line.product_id,
                "product_name": line.product_name,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
            }
            for number, line in enumerate(order.lines, 1)
        ]
        root = {
            "id": order.id,
            "user_id": order.user_id,
            "user_name": order.user_name,
            "placed_at": order.placed_at,
            "status": order.status.value,
        }
        return AggregateRows(root, {order_items: items})

    def from_rows(self, rows: AggregateRows) -> Order:
        order = Order.replay()
        order.id = rows.root["id"]
        order.user_id = rows.root["user_id"]
        order.user_name = rows.root["user_name"]
        order.placed_at = rows.root["placed_at"].replace(tzinfo=UTC)
        order.status = Status(rows.root["status"])
        order.lines = tuple(
            OrderLine(
                product_id=row["product_id"],
                product_name=row["product_name"],
                quantity=row["quantity"],
                unit_price=row["unit_price"],
            )
            for row in rows.parts[order_items]
        )
        return order
