"""Record the shipments of paid orders, and report each shipment to the orders service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

from dependency_injector import containers, providers

import places
from orders.domain import ForbiddenTransition
from orders.messages import OrderCancelled, OrderCreated, OrderPaid, OrderShipped, ShipOrder
from twofold import Application, Query, ReadModel, RemoteCommandBus, Retry, Router, Rows, View, on
from twofold.ports import Requests

shipping = Router("shipping")


class Shipment(View, name="shipment", key="order_id", indexes=["state"]):
    """The shipment of an order."""

    order_id: str
    pieces: int
    value: Decimal
    state: str = "waits for payment"


@shipping.projection("shipments")
class Shipments:
    def __init__(self, shipments: ReadModel[Shipment]) -> None:
        self.shipments = shipments

    @on(OrderCreated)
    async def created(self, event: OrderCreated) -> None:
        pieces = sum(line.quantity for line in event.lines)
        await self.shipments.put(Shipment(order_id=event.order_id, pieces=pieces, value=event.total))

    @on(OrderPaid)
    async def paid(self, event: OrderPaid) -> None:
        await self.shipments.update(event.order_id, state="to be shipped")

    @on(OrderShipped)
    async def shipped(self, event: OrderShipped) -> None:
        await self.shipments.update(event.order_id, state="shipped")

    @on(OrderCancelled)
    async def cancelled(self, event: OrderCancelled) -> None:
        await self.shipments.update(event.order_id, state="cancelled")


class ListShipments(Query[Rows[Shipment]]):
    state: str


@shipping.query_handler(ListShipments)
async def list_shipments(query: ListShipments, shipments: ReadModel[Shipment]) -> Rows[Shipment]:
    return await shipments.find({"state": query.state})


@shipping.event_handler(OrderPaid, name="ship", partitions=4, retry=Retry(attempts=20, delay=0.5))
async def ship(event: OrderPaid, orders: RemoteCommandBus) -> None:
    """Hand the parcel over and report it. Retries ship the order only once."""
    try:
        key = event.order_id
        await orders.dispatch(ShipOrder(order_id=key), key=key, idempotency_key=f"ship {key}")
    except ForbiddenTransition:
        return  # the order was cancelled in the meantime


@asynccontextmanager
async def running(store: str, transport: str, *, work: bool = True) -> AsyncIterator[Application]:
    """Run the service on a database and a broker."""
    async with AsyncExitStack() as opened:
        broker = await opened.enter_async_context(places.transport(transport))
        app = Application(
            "shipping",
            write=await opened.enter_async_context(places.database(store)),
            transport=broker,
            work=work,
            container=_Container(orders=providers.Object(_orders(broker))),
        )
        app.include(shipping)
        app.consume(OrderCreated, OrderPaid, OrderShipped, OrderCancelled, source="orders")
        await app.create_schema()
        yield await opened.enter_async_context(app)


def _orders(broker: object) -> RemoteCommandBus:
    if not isinstance(broker, Requests):
        raise TypeError("This broker does not carry commands. Use RabbitMQ: --transport amqp://…")
    return RemoteCommandBus(broker, "orders", errors=[ForbiddenTransition])


class _Container(containers.DeclarativeContainer):
    orders = providers.Dependency(instance_of=RemoteCommandBus)
