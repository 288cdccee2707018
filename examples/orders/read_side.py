"""The read side: projections write rows, and queries read them."""

from __future__ import annotations

from datetime import UTC, date

from orders.messages import OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped, Status
from orders.views import DailyStatistics, OrderDetail, ProductSales, Statistics, UserOrder
from twofold import Cache, Envelope, Event, Page, Query, ReadModel, Router, Rows, on

read_side = Router("orders, read side")

Changed = OrderPaid | OrderShipped | OrderDelivered | OrderCancelled
STATUS: dict[type[Event], Status] = {
    OrderPaid: Status.PAID,
    OrderShipped: Status.SHIPPED,
    OrderDelivered: Status.DELIVERED,
    OrderCancelled: Status.CANCELLED,
}
TIME: dict[type[Event], str] = {OrderPaid: "paid_at", OrderShipped: "shipped_at", OrderDelivered: "delivered_at"}
FINAL = {Status.DELIVERED, Status.CANCELLED}
LISTED_LINES = 3  # of an order in the list
KEY = "order:{order_id}"
CHANGES: dict[type[Event], str] = dict.fromkeys([OrderCreated, *STATUS], KEY)


@read_side.projection("order_detail")
class OrderDetails:
    def __init__(self, orders: ReadModel[OrderDetail]) -> None:
        self.orders = orders

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        await self.orders.put(OrderDetail(status=Status.PENDING, **dict(event)))

    @on(OrderPaid, OrderShipped, OrderDelivered, OrderCancelled)
    async def went_on(self, event: Changed, envelope: Envelope[Changed]) -> None:
        time = {TIME[type(event)]: envelope.time} if type(event) in TIME else {}
        await self.orders.update(event.order_id, status=STATUS[type(event)], **time)


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
                status=Status.PENDING,
                placed_at=event.placed_at,
                first_lines=event.lines[:LISTED_LINES],
                line_count=len(event.lines),
                total=event.total,
            )
        )

    @on(OrderPaid, OrderShipped, OrderDelivered, OrderCancelled)
    async def went_on(self, event: Changed) -> None:
        await self.orders.update(event.order_id, status=STATUS[type(event)])


@read_side.projection("daily_statistics")
class DailyFigures:
    def __init__(self, days: ReadModel[DailyStatistics], products: ReadModel[ProductSales]) -> None:
        self.days = days
        self.products = products

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        on_day = event.placed_at.astimezone(UTC).date()
        day = await self.days.get(on_day) or DailyStatistics(day=on_day)
        lines, amount = day.line_count + len(event.lines), day.amount + event.total
        await self.days.put(day.model_copy(update={"orders": day.orders + 1, "line_count": lines, "amount": amount}))
        sold = dict(await self.products.get_many({f"{on_day}/{line.product_id}" for line in event.lines}))
        for line in event.lines:
            key, product = f"{on_day}/{line.product_id}", line.product_id
            so_far = sold.get(key) or ProductSales(id=key, day=on_day, product_id=product, product_name="")
            quantity, amount = so_far.quantity + line.quantity, so_far.amount + line.amount
            grown = {"product_name": line.product_name, "quantity": quantity, "amount": amount}
            sold[key] = so_far.model_copy(update=grown)
            await self.products.put(sold[key])

    @on(OrderCancelled)
    async def cancelled(self, event: OrderCancelled) -> None:
        on_day = event.placed_at.astimezone(UTC).date()
        day = await self.days.get(on_day) or DailyStatistics(day=on_day)
        await self.days.update(on_day, cancelled=day.cancelled + 1, cancelled_amount=day.cancelled_amount + event.total)


class GetOrder(Query[OrderDetail | None]):
    order_id: str


@read_side.query_handler(GetOrder, cache=Cache(ttl=3600, key=KEY, invalidated_by=CHANGES))
async def get_order(query: GetOrder, orders: ReadModel[OrderDetail]) -> OrderDetail | None:
    return await orders.get(query.order_id)


class UnknownOrder(LookupError):
    """There is no order with this id."""


class ListUserOrders(Query[Rows[UserOrder]]):
    user_id: int
    page: int = 1
    page_size: int = 20


@read_side.query_handler(ListUserOrders)
async def list_user_orders(query: ListUserOrders, orders: ReadModel[UserOrder]) -> Rows[UserOrder]:
    mine, page = {"user_id": query.user_id}, Page(number=query.page, size=query.page_size)
    return await orders.find(mine, order_by="-placed_at", page=page)


class OrderStatistics(Query[Statistics]):
    day: date


@read_side.query_handler(OrderStatistics)
async def order_statistics(
    query: OrderStatistics, days: ReadModel[DailyStatistics], products: ReadModel[ProductSales]
) -> Statistics:
    day = await days.get(query.day) or DailyStatistics(day=query.day)
    top = await products.find({"day": query.day}, order_by="-amount", page=Page(size=5))
    return Statistics(day=day, top_products=top.items)
