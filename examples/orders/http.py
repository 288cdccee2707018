"""The orders over HTTP: `uvicorn orders.http:api`.

The environment names the stores: `ORDERS_WRITE` and `ORDERS_READ` are URLs like `--write` and `--read` of the command line.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, StringConstraints, TypeAdapter
from starlette.exceptions import HTTPException

from orders import http_examples as examples
from orders.composition import FILE, running
from orders.container import Container
from orders.domain import ForbiddenTransition, InvalidOrder, UnknownCustomer, UnknownProduct
from orders.messages import (
    CancelOrder,
    DeliverOrder,
    Id,
    PayOrder,
    PlaceOrder,
    ShipOrder,
    Status,
    UpdateOrderStatus,
)
from orders.read_side import FINAL, GetOrder, ListUserOrders, OrderStatistics, UnknownOrder
from orders.views import OrderDetail, Statistics, UserOrder
from twofold import Session
from twofold_fastapi import EventStream, HttpProblem, IdempotencyKeyDep, SessionDep, install

LARGEST_BODY = 64 * 1024  # bytes
MOST_FAULTS = 20
LONGEST_FIELD = 200


class Placed(BaseModel):
    order_id: str


class NewStatus(BaseModel, extra="forbid"):
    status: Status


class OrderPage(BaseModel):
    """One page of a user's orders, and the number of all orders of the user."""

    items: tuple[UserOrder, ...]
    total: int


def example(value: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": value}}}}


PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
OrderId = Annotated[Id, Path(examples=[examples.ORDER_ID])]
UserId = Annotated[int, Path(ge=0, lt=2**31, examples=[examples.USER_ID])]
# pydantic reads a number as a time in seconds, too.
IsoDate = TypeAdapter(Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")])
Day = Annotated[date, BeforeValidator(IsoDate.validate_python), Path(examples=[examples.DAY])]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=200)]

routes = APIRouter(responses={422: {"description": "The request is not valid", "content": PROBLEM}})


@routes.post("/orders", status_code=201)
async def place_order(
    order: Annotated[PlaceOrder, Body(examples=[examples.PLACE])],
    session: SessionDep,
    key: IdempotencyKeyDep,
    request: Request,
    response: Response,
) -> Placed:
    order_id = await session.dispatch(order, idempotency_key=key)
    response.headers["Location"] = str(request.url_for("get_order", order_id=order_id))
    return Placed(order_id=order_id)


@routes.post("/orders/{order_id}/pay", status_code=204, response_class=Response)
async def pay_order(order_id: OrderId, session: SessionDep, key: IdempotencyKeyDep) -> None:
    await session.dispatch(PayOrder(order_id=order_id), idempotency_key=key)


@routes.post("/orders/{order_id}/ship", status_code=204, response_class=Response)
async def ship_order(order_id: OrderId, session: SessionDep, key: IdempotencyKeyDep) -> None:
    await session.dispatch(ShipOrder(order_id=order_id), idempotency_key=key)


@routes.post("/orders/{order_id}/deliver", status_code=204, response_class=Response)
async def deliver_order(order_id: OrderId, session: SessionDep, key: IdempotencyKeyDep) -> None:
    await session.dispatch(DeliverOrder(order_id=order_id), idempotency_key=key)


@routes.post("/orders/{order_id}/cancel", status_code=204, response_class=Response)
async def cancel_order(order_id: OrderId, session: SessionDep, key: IdempotencyKeyDep) -> None:
    await session.dispatch(CancelOrder(order_id=order_id), idempotency_key=key)


@routes.put("/orders/{order_id}/status", status_code=204, response_class=Response)
async def update_order_status(order_id: OrderId, new: NewStatus, session: SessionDep, key: IdempotencyKeyDep) -> None:
    await session.dispatch(UpdateOrderStatus(order_id=order_id, status=new.status), idempotency_key=key)


@routes.get("/orders/{order_id}", responses=example(examples.ORDER))
async def get_order(order_id: OrderId, session: SessionDep) -> OrderDetail:
    order = await session.execute(GetOrder(order_id=order_id))
    if order is None:
        raise UnknownOrder(f"there is no order {order_id}.")
    return order


@routes.get("/orders/{order_id}/live", response_class=EventStream)
async def watch_order(order_id: OrderId, session: SessionDep) -> EventStream:
    """Send the order, and again after each change, until it is delivered or cancelled."""
    return EventStream(live_order(session, order_id))


async def live_order(session: Session, order_id: str) -> AsyncGenerator[OrderDetail]:
    async with aclosing(session.subscribe(GetOrder(order_id=order_id))) as answers:
        async for order in answers:
            if order is None:
                raise UnknownOrder(f"there is no order {order_id}.")
            yield order
            if order.status in FINAL:
                return


@routes.get("/users/{user_id}/orders", responses=example(examples.LIST))
async def list_orders(
    user_id: UserId, session: SessionDep, page: PageNumber = 1, page_size: PageSize = 20
) -> OrderPage:
    found = await session.execute(ListUserOrders(user_id=user_id, page=page, page_size=page_size))
    return OrderPage(items=found.items, total=found.total or 0)


@routes.get("/statistics/{day}", responses=example(examples.STATISTICS))
async def get_statistics(day: Day, session: SessionDep) -> Statistics:
    return await session.execute(OrderStatistics(day=day))


def invalid_request(error: RequestValidationError) -> HttpProblem:
    """Return the faults of a request. The values are left out: they can be long, or not representable as JSON."""
    faults = [
        {"field": ".".join(map(str, each["loc"]))[:LONGEST_FIELD], "fault": each["msg"]} for each in error.errors()
    ]
    return HttpProblem(422, "The request is not valid.", extensions={"errors": faults[:MOST_FAULTS]})


def http_problem(error: HTTPException) -> HttpProblem:
    return HttpProblem(error.status_code, error.detail, headers=error.headers)


ERRORS: Final[Mapping[type[Exception], int | Callable[[Any], HttpProblem]]] = {
    HTTPException: http_problem,
    RequestValidationError: invalid_request,
    UnknownOrder: 404,
    ForbiddenTransition: 409,
    InvalidOrder: 422,
    UnknownCustomer: 422,
    UnknownProduct: 422,
}


def new_api(write: str, read: str | None = None, container: Container | None = None) -> FastAPI:
    """Return the web application on stores of these URLs."""
    api = FastAPI(title="Orders", version="1", summary="The reference example of Twofold.", max_body_size=LARGEST_BODY)
    install(api, lambda: running(write, read, container=container), errors=ERRORS)
    api.include_router(routes)
    return api


api = new_api(os.environ.get("ORDERS_WRITE", FILE), os.environ.get("ORDERS_READ"))
