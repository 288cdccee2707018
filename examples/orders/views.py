"""The rows of the three read models."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel

from orders.messages import Address, OrderLine, Payment, Status
from twofold import View


class OrderDetail(View, name="order_detail", key="order_id"):
    """The details of an order, with shipping and payment."""

    order_id: str
    user_id: int
    user_name: str
    status: Status
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    total: Decimal
    payment: Payment
    paid_at: datetime | None = None
    address: Address
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None


class UserOrder(View, name="user_order_list", key="order_id", indexes=[("user_id", "placed_at")]):
    """An entry in the list of a user's orders, with its first lines: product, image and unit price."""

    order_id: str
    user_id: int
    user_name: str
    status: Status
    placed_at: datetime
    first_lines: tuple[OrderLine, ...]
    line_count: int
    total: Decimal


class DailyStatistics(View, name="daily_statistics", key="day"):
    """The totals of one day, including cancelled orders."""

    day: date
    orders: int = 0
    line_count: int = 0
    amount: Decimal = Decimal()
    cancelled: int = 0
    cancelled_amount: Decimal = Decimal()


class ProductSales(View, name="daily_product_sales", key="id", indexes=["day"]):
    """The sales of a product on one day, under its latest name."""

    id: str
    day: date
    product_id: str
    product_name: str
    quantity: int = 0
    amount: Decimal = Decimal()


class Statistics(BaseModel, frozen=True):
    """The totals of a day and its best-selling products, by amount."""

    day: DailyStatistics
    top_products: tuple[ProductSales, ...]
