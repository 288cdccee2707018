"""Calculate the totals of the read models. Rows are read in pages, so memory does not grow with the number of orders."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, TypeVar

from orders.read_side import read_side
from orders.views import DailyStatistics, OrderDetail, UserOrder
from twofold import Keyset, Query, ReadModel, View

V = TypeVar("V", bound=View)


class Figures(NamedTuple):
    orders: int = 0
    lines: int = 0
    amount: Decimal = Decimal()


class GetFigures(Query[dict[str, Figures]]):
    """Return the totals of each of the three read models."""


@read_side.query_handler(GetFigures)
async def get_figures(
    query: GetFigures, details: ReadModel[OrderDetail], lists: ReadModel[UserOrder], days: ReadModel[DailyStatistics]
) -> dict[str, Figures]:
    return {
        "OrderDetail": await _added_up(details, lambda row: Figures(1, len(row.lines), row.total)),
        "UserOrderList": await _added_up(lists, lambda row: Figures(1, row.line_count, row.total)),
        "DailyStatistics": await _added_up(days, lambda row: Figures(row.orders, row.line_count, row.amount)),
    }


async def _added_up(model: ReadModel[V], figures_of: Callable[[V], Figures]) -> Figures:
    total, cursor = Figures(), None
    while True:
        page = await model.find(page=Keyset(size=500, after=cursor))
        for row in page:
            orders, lines, amount = figures_of(row)
            total = Figures(total.orders + orders, total.lines + lines, total.amount + amount)
        if page.next is None:
            return total
        cursor = page.next
