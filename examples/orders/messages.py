"""The commands and events of the write side."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from twofold import Command, Event

Id = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]*$")]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Number = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Price = Annotated[Decimal, Field(max_digits=19, decimal_places=4)]


class Status(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Payment(StrEnum):
    """How an order is paid."""

    CARD = "card"
    INVOICE = "invoice"
    TRANSFER = "transfer"


class Address(BaseModel, frozen=True):
    """Where an order is shipped. Of imported orders, only the country is known."""

    recipient: Name
    street: Name = ""
    city: Name = ""
    country: Name


class OrderLine(BaseModel, frozen=True):
    """A quantity of a product, with its name, price and image at the time of the order."""

    product_id: Id
    product_name: Name
    quantity: Number
    unit_price: Price
    image: Name | None = None

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


class OrderItem(BaseModel, frozen=True, extra="forbid"):
    """A quantity of a product, as a customer orders it."""

    product_id: Id
    quantity: Quantity


class PlaceOrder(Command[str]):
    """Order products of the catalogue. The customer directory knows the address, and how the customer usually pays."""

    user_id: Annotated[Number, Field(strict=True)]
    items: Annotated[tuple[OrderItem, ...], Field(min_length=1, max_length=100)]
    payment: Payment | None = None


class CreateOrder(Command[str]):
    """Create an order whose names, prices and address are known, such as an order of another system."""

    order_id: Id
    user_id: Number
    user_name: Name
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    address: Address
    payment: Payment


class PayOrder(Command[None]):
    order_id: str


class ShipOrder(Command[None], name="orders.ship_order"):
    order_id: str


class DeliverOrder(Command[None]):
    order_id: str


class CancelOrder(Command[None]):
    order_id: str


class UpdateOrderStatus(Command[None]):
    """Change the status as the command of that status does, for clients that know only a status."""

    order_id: str
    status: Status


class OrderCreated(Event, name="orders.order_created"):
    order_id: str
    user_id: int
    user_name: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    address: Address
    payment: Payment
    total: Decimal


class OrderPaid(Event, name="orders.order_paid"):
    order_id: str


class OrderShipped(Event, name="orders.order_shipped"):
    order_id: str


class OrderDelivered(Event, name="orders.order_delivered"):
    order_id: str


class OrderCancelled(Event, name="orders.order_cancelled"):
    order_id: str
    placed_at: datetime
    total: Decimal
