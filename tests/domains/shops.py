"""Two applications that know each other only by events: a shop that sells, and a depot that ships."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, Router, View, on
from twofold.ports import Transport, WriteStore
from twofold.testing.conformance._tools.in_time import CEILING, WHOLE_TEST, in_time

LEASE = 1.0
"""Seconds that the claims of a process outlive it."""


class Sold(Event, name="shop.sold"):
    order_id: str
    number: int


class Renamed(Event, name="shop.renamed"):
    order_id: str


class Order(Aggregate, name="order"):
    id: str
    sold: int = 0

    @on(Sold)
    def _sold(self, event: Sold) -> None:
        self.id, self.sold = event.order_id, event.number

    @on(Renamed)
    def _renamed(self, event: Renamed) -> None:
        pass


class Sell(Command[int]):
    order_id: str
    number: int = 1


class Rename(Command[None]):
    order_id: str


class Parcel(View, name="parcel", key="order_id"):
    order_id: str
    numbers: tuple[int, ...] = ()


class GetParcel(Query["Parcel | None"]):
    order_id: str


shop = Router("shop")


@shop.command_handler(Sell)
async def sell(command: Sell, orders: Repository[Order]) -> int:
    """Sell the next `number` items of an order."""
    order = await orders.find(command.order_id)
    if order is None:
        order = Order.begin(Sold(order_id=command.order_id, number=1))
        await orders.add(order)
        command = Sell(order_id=command.order_id, number=command.number - 1)
    for _ in range(command.number):
        order.record(Sold(order_id=order.id, number=order.sold + 1))
    return order.sold


@shop.command_handler(Rename)
async def rename(command: Rename, orders: Repository[Order]) -> None:
    """Make a change that no other application receives."""
    (await orders.get(command.order_id)).record(Renamed(order_id=command.order_id))


depot = Router("depot")


@depot.projection("parcels")
class Parcels:
    """The sales that the depot has received, in order."""

    def __init__(self, parcels: ReadModel[Parcel]) -> None:
        self.parcels = parcels

    @on(Sold)
    async def sold(self, event: Sold) -> None:
        """Record one more sale."""
        parcel = await self.parcels.get(event.order_id) or Parcel(order_id=event.order_id)
        await self.parcels.put(Parcel(order_id=event.order_id, numbers=(*parcel.numbers, event.number)))


@depot.query_handler(GetParcel)
async def get_parcel(query: GetParcel, parcels: ReadModel[Parcel]) -> Parcel | None:
    """Return a parcel."""
    return await parcels.get(query.order_id)


@asynccontextmanager
async def selling(
    store: WriteStore, broker: Transport, *, seconds: float | None = WHOLE_TEST, **options: Any
) -> AsyncIterator[Application]:
    """Run the shop, which publishes its sales."""
    app = Application("shop", write=store, transport=broker, lease=LEASE, **options)
    app.include(shop)
    app.relay(Sold)
    async with _running(app, seconds):
        yield app


@asynccontextmanager
async def shipping(
    store: WriteStore, broker: Transport, *, seconds: float | None = WHOLE_TEST, **options: Any
) -> AsyncIterator[Application]:
    """Run the depot, which receives them."""
    app = Application("depot", write=store, transport=broker, lease=LEASE, **options)
    app.include(depot)
    app.consume(Sold, source="shop", partitions=2)
    async with _running(app, seconds):
        yield app


@asynccontextmanager
async def _running(app: Application, seconds: float | None) -> AsyncIterator[None]:
    await app.create_schema()
    with in_time(seconds) if seconds else nullcontext():
        async with app:
            yield


async def settled(*apps: Application) -> None:
    """Return when nothing is on its way between these applications, in the order of the way."""
    for app in apps:
        await app.settle(timeout=CEILING)
