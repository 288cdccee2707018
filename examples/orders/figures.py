"""Add up what the read models say, page by page, so that it takes no more memory for more orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import NamedTuple, TypeVar

from orders.read_side import read_side
from orders.views import DailyStatistics, OrderDetail, UserOrder
from twofold import Keyset, Query, ReadModel, View

V = TypeVar("V", bound=View)


class Figures(NamedTuple):
    """The totals of one read model."""

    orders: int = 0
    lines: int = 0
    amount: Decimal = Decimal()

    def plus(self, orders: int, lines: int, amount: Decimal) -> Figures:
        return Figures(self.orders + orders, self.lines + lines, self.amount + amount)


class GetFigures(Query[dict[str, Figures]]):
    """What each of the three read models adds up to."""


@read_side.query_handler(GetFigures, reads=("order_detail", "user_order_list", "daily_statistics"))
async def get_figures(
    query: GetFigures,
    details: ReadModel[OrderDetail],
    lists: ReadModel[UserOrder],
    days: ReadModel[DailyStatistics],
) -> dict[str, Figures]:
    detail, listed, daily = Figures(), Figures(), Figures()
    async for order in _every(details):
        detail = detail.plus(1, len(order.lines), sum((line.amount for line in order.lines), Decimal()))
    async for row in _every(lists):
        listed = listed.plus(1, row.line_count, row.total)
    async for day in _every(days):
        daily = daily.plus(day.orders, day.line_count, day.amount)
    return {"OrderDetail": detail, "UserOrderList": listed, "DailyStatistics": daily}


async def _every(model: ReadModel[V]) -> AsyncIterator[V]:
    cursor: str | None = None
    while True:
        page = await model.find(page=Keyset(size=500, after=cursor))
        for row in page.items:
            yield row
        if page.next is None:
            return
        cursor = page.next
