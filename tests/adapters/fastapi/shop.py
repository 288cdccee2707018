"""A shop with one command, one projection and two queries, in memory, behind FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request

from twofold import (
    Aggregate,
    Application,
    Command,
    Envelope,
    Event,
    Keyset,
    Query,
    ReadModel,
    Repository,
    Router,
    View,
    on,
)
from twofold_fastapi import EventStream, IdempotencyKeyDep, RequiredIdempotencyKeyDep, SessionDep, accepted, install
from twofold_memory import InMemory


class Sold(Event, name="web.sold"):
    order_id: str
    number: int


class Order(Aggregate, name="web_order"):
    id: str
    number: int

    @on(Sold)
    def _sold(self, event: Sold) -> None:
        self.id, self.number = event.order_id, event.number


class OrderView(View, name="web_order_view", key="order_id"):
    order_id: str
    number: int


class Sell(Command[str]):
    order_id: str
    number: int = 1


class Look(Command[int]):
    order_id: str


class GetOrder(Query["OrderView | None"]):
    order_id: str


class AllOrders(Query[AsyncIterator[OrderView]]):
    after: str | None = None


shop = Router("shop")


class OutOfStock(Exception):
    """The shop does not have that many."""


@shop.command_handler(Sell)
async def sell(command: Sell, orders: Repository[Order]) -> str:
    """Sell at most 100."""
    if command.number > 100:
        raise OutOfStock(f"there are 100 left, not {command.number}")
    if command.number < 0:
        raise RuntimeError("the password of the till is hunter2")
    await orders.add(Order.begin(Sold(order_id=command.order_id, number=command.number)))
    return command.order_id


@shop.command_handler(Look)
async def look(command: Look, orders: Repository[Order]) -> int:
    """Return how many were sold."""
    return (await orders.get(command.order_id)).number


@shop.projection("web_orders")
class OrderViews:
    def __init__(self, views: ReadModel[OrderView]) -> None:
        self.views = views

    @on(Sold)
    async def sold(self, event: Sold) -> None:
        await self.views.put(OrderView(order_id=event.order_id, number=event.number))


@shop.query_handler(GetOrder)
async def get_order(query: GetOrder, views: ReadModel[OrderView]) -> OrderView | None:
    """Return the row of an order."""
    return await views.get(query.order_id)


@shop.query_handler(AllOrders)
async def all_orders(query: AllOrders, views: ReadModel[OrderView]) -> AsyncIterator[OrderView]:
    """Yield the orders after a cursor."""
    for view in await views.find(order_by="order_id", page=Keyset(size=100, after=query.after)):
        yield view


routes = APIRouter()


@routes.post("/orders", status_code=201)
async def post_order(order: Sell, session: SessionDep, key: IdempotencyKeyDep) -> str:
    """Sell."""
    return await session.dispatch(order, idempotency_key=key)


@routes.post("/keyed", status_code=201)
async def post_keyed(order: Sell, session: SessionDep, key: RequiredIdempotencyKeyDep) -> str:
    """Sell, with a required key."""
    return await session.dispatch(order, idempotency_key=key)


@routes.post("/shown")
async def post_shown(order: Sell, session: SessionDep) -> OrderView | None:
    """Sell, and return the row."""
    await session.dispatch(order)
    return await session.execute(GetOrder(order_id=order.order_id), timeout=0)


@routes.post("/accepted")
async def post_accepted(order: Sell, session: SessionDep, request: Request, wait: float = 0) -> OrderView | None:
    """Sell, and return the row, or the link to it."""
    await session.dispatch(order)
    with accepted(request.url_for("read_order", order_id=order.order_id)):
        return await session.execute(GetOrder(order_id=order.order_id), timeout=wait)


@routes.get("/orders/{order_id}")
async def read_order(order_id: str, session: SessionDep) -> OrderView | None:
    """Return the row of an order."""
    return await session.execute(GetOrder(order_id=order_id))


@routes.get("/looked/{order_id}")
async def read_looked(order_id: str, session: SessionDep) -> int:
    """Return how many were sold."""
    return await session.dispatch(Look(order_id=order_id))


@routes.get("/orders", response_class=EventStream)
async def stream_orders(session: SessionDep, after: str | None = None) -> EventStream:
    """Stream all orders."""
    return EventStream(session.stream(AllOrders(after=after)), id=lambda order: order.order_id)


def new_shop(*, envelopes: list[Envelope[Any]] | None = None, **options: Any) -> Application:
    """Return the application in memory. It appends the envelope of each command to a list."""

    async def noted(message: Any, call_next: Any, envelope: Envelope[Any]) -> Any:
        if envelopes is not None and isinstance(message, Command):
            envelopes.append(envelope)
        return await call_next(message)

    app = Application("shop", write=InMemory(), middleware=[noted], **options)
    app.include(shop)
    return app


def new_api(application: Any = None, **options: Any) -> FastAPI:
    """Return a web application with the shop installed."""
    api = FastAPI()
    install(api, application or new_shop(), errors={OutOfStock: 409}, **options)
    api.include_router(routes)
    return api


Numbers = Callable[[], AsyncIterator[Any]]


class Count(Query[AsyncIterator[Any]]):
    pass


def streaming(numbers: Numbers, **options: Any) -> FastAPI:
    """Return a web application that streams an iterator through a query."""
    application, api = new_shop(), FastAPI()

    @application.query_handler(Count)
    async def count(query: Count) -> AsyncIterator[Any]:
        async for each in numbers():
            yield each

    install(api, application)

    @api.get("/count", response_class=EventStream)
    async def get_count(session: SessionDep) -> EventStream:
        return EventStream(session.stream(Count()), **options)

    return api
