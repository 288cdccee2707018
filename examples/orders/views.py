"""What is read: the rows of three read models."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from orders.messages import OrderLine
from twofold import View


class OrderDetail(View, name="order_detail", key="order_id"):
    """Everything about one order."""

    order_id: str
    user_id: int
    user_name: str
    status: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    total: Decimal


class UserOrder(View, name="user_order_list", key="order_id", indexes=[("user_id", "placed_at")]):
    """One line in the list of a user's orders."""

    order_id: str
    user_id: int
    user_name: str
    status: str
    placed_at: datetime
    line_count: int
    total: Decimal


class DailyStatistics(View, name="daily_statistics", key="day"):
    """The orders of one day, cancelled ones included."""

    day: date
    orders: int = 0
    line_count: int = 0
    amount: Decimal = Decimal()
    cancelled: int = 0
    cancelled_amount: Decimal = Decimal()


class ProductSales(View, name="daily_product_sales", key="id", indexes=["day"]):
    """What one product sold on one day; its name is the one it was last sold under."""

    id: str
    day: date
    product_id: str
    product_name: str
    quantity: int = 0
    amount: Decimal = Decimal()


class Statistics(NamedTuple):
    """A day's figures with its best-selling products, by amount."""

    day: DailyStatistics
    top_products: tuple[ProductSales, ...]
