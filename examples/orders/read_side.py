"""The read side: projections write the rows, queries read them."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from orders.messages import (
    GetOrder,
    ListUserOrders,
    OrderCancelled,
    OrderCreated,
    OrderPaid,
    OrderShipped,
    OrderStatistics,
)
from orders.views import DailyStatistics, DetailLine, OrderDetail, ProductSales, Statistics, UserOrder
from twofold import Module, Page, ReadModel, Rows, on

read_side = Module("orders, read side")

TOP = 5
"""How many of a day's products its statistics name."""


@read_side.projection("order_detail")
class OrderDetails:
    def __init__(self, orders: ReadModel[OrderDetail]) -> None:
        self.orders = orders

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        lines = tuple(
            DetailLine(
                product_id=line.product_id,
                product_name=line.product_name,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
            )
            for line in event.lines
        )
        await self.orders.put(
            OrderDetail(
                order_id=event.order_id,
                user_id=event.user_id,
                user_name=event.user_name,
                status="pending",
                placed_at=event.placed_at,
                lines=lines,
                total=event.total,
            )
        )

    @on(OrderPaid)
    async def paid(self, event: OrderPaid) -> None:
        await self.orders.update(event.order_id, status="paid")

    @on(OrderShipped)
    async def shipped(self, event: OrderShipped) -> None:
        await self.orders.update(event.order_id, status="shipped")

    @on(OrderCancelled)
    async def cancelled(self, event: OrderCancelled) -> None:
        await self.orders.update(event.order_id, status="cancelled")


@read_side.projection("user_order_list")
class UserOrderList:
    def __init__(self, orders: ReadModel[UserOrder]) -> None:
        self.orders = orders

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        await self.orders.put(
            UserOrder(
                order_id=event.order_id,
                user_id=event.user_id,
                user_name=event.user_name,
                status="pending",
                placed_at=event.placed_at,
                line_count=len(event.lines),
                total=event.total,
            )
        )

    @on(OrderPaid)
    async def paid(self, event: OrderPaid) -> None:
        await self.orders.update(event.order_id, status="paid")

    @on(OrderShipped)
    async def shipped(self, event: OrderShipped) -> None:
        await self.orders.update(event.order_id, status="shipped")

    @on(OrderCancelled)
    async def cancelled(self, event: OrderCancelled) -> None:
        await self.orders.update(event.order_id, status="cancelled")


@read_side.projection("daily_statistics")
class DailyFigures:
    def __init__(self, days: ReadModel[DailyStatistics], products: ReadModel[ProductSales]) -> None:
        self.days = days
        self.products = products

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        date = event.placed_at.astimezone(UTC).date()
        day = await self.days.get(date) or DailyStatistics(day=date)
        await self.days.put(
            day.model_copy(
                update={
                    "orders": day.orders + 1,
                    "line_count": day.line_count + len(event.lines),
                    "amount": day.amount + event.total,
                }
            )
        )
        sold = await self.products.get_many({f"{date}/{line.product_id}" for line in event.lines})
        sales = dict(sold)
        for line in event.lines:
            key = f"{date}/{line.product_id}"
            so_far = sales.get(key)
            sales[key] = ProductSales(
                id=key,
                day=date,
                product_id=line.product_id,
                product_name=line.product_name,
                quantity=line.quantity + (so_far.quantity if so_far else 0),
                amount=line.amount + (so_far.amount if so_far else Decimal()),
            )
        for each in sales.values():
            await self.products.put(each)

    @on(OrderCancelled)
    async def cancelled(self, event: OrderCancelled) -> None:
        date = event.placed_at.astimezone(UTC).date()
        day = await self.days.get(date) or DailyStatistics(day=date)
        await self.days.update(date, cancelled=day.cancelled + 1, cancelled_amount=day.cancelled_amount + event.total)


@read_side.query_handler(GetOrder, reads="order_detail")
async def get_order(query: GetOrder, orders: ReadModel[OrderDetail]) -> OrderDetail | None:
    return await orders.get(query.order_id)


@read_side.query_handler(ListUserOrders, reads="user_order_list")
async def list_user_orders(query: ListUserOrders, orders: ReadModel[UserOrder]) -> Rows[UserOrder]:
    page = Page(number=query.page, size=query.page_size)
    return await orders.find({"user_id": query.user_id}, order_by="-placed_at", page=page)


@read_side.query_handler(OrderStatistics, reads="daily_statistics")
async def order_statistics(
    query: OrderStatistics, days: ReadModel[DailyStatistics], products: ReadModel[ProductSales]
) -> Statistics:
    day = await days.get(query.day) or DailyStatistics(day=query.day)
    top = await products.find({"day": query.day}, order_by="-amount", page=Page(size=TOP))
    return Statistics(day=day, top_products=top.items)
