"""What may be asked. The type in the brackets is that of the answer."""

from __future__ import annotations

from datetime import date

from orders.views import OrderDetail, Statistics, UserOrder
from twofold import Query, Rows


class GetOrder(Query[OrderDetail | None]):
    order_id: str


class ListUserOrders(Query[Rows[UserOrder]]):
    user_id: int
    page: int = 1
    page_size: int = 20


class OrderStatistics(Query[Statistics]):
    day: date
