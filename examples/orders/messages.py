"""What is said on the write side: commands, and the events they lead to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from twofold import Command, Event


class OrderLine(BaseModel, frozen=True):
    """Some pieces of a product, at the price and under the name they had when they were ordered."""

    product_id: str
    product_name: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


class CreateOrder(Command[str]):
    order_id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]


class PayOrder(Command[None]):
    order_id: str


class ShipOrder(Command[None], name="orders.ship_order"):
    order_id: str


class CancelOrder(Command[None]):
    order_id: str


class OrderCreated(Event, name="orders.order_created"):
    order_id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    total: Decimal


class OrderPaid(Event, name="orders.order_paid"):
    order_id: str


class OrderShipped(Event, name="orders.order_shipped"):
    order_id: str


class OrderCancelled(Event, name="orders.order_cancelled"):
    order_id: str
    placed_at: datetime
    total: Decimal
