"""A shop with a switch for each of ten mistakes, which only some schedules reveal."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

from twofold import (
    Aggregate,
    Application,
    Clock,
    Command,
    Event,
    EventBus,
    Query,
    ReadModel,
    Repository,
    Scheduler,
    Session,
    View,
    on,
)
from twofold.errors import AggregateExists, CommitUnknown, TransientFailure
from twofold.middleware import retry_conflicts
from twofold.testing import ProcessCrashed, SimulatedProcess, Simulation

PAYABLE: Final = timedelta(seconds=1)

MISTAKES: Final = {
    "charge without key": "the event handler calls the provider without an idempotency key",
    "charge in command": "the command calls the provider before its commit",
    "two calls": "the event handler records its first call only after its second one",
    "state in memory": "the projection counts in memory",
    "partition by stream": "events of one row are in several partitions",
    "order of streams": "the projection ignores a mail that arrives before its order, from another stream",
    "retry without key": "the client repeats a command without an idempotency key",
    "no token": "the client reads in a session that knows nothing of its write",
    "check a read model": "the command checks a read model for a room that is free",
    "late payment": "the payment ignores that the order was cancelled in the meantime",
}


class Placed(Event, name="fragile.placed"):
    order_id: str
    customer: str


class Paid(Event, name="fragile.paid"):
    order_id: str
    customer: str


class Cancelled(Event, name="fragile.cancelled"):
    order_id: str
    customer: str


class Mailed(Event, name="fragile.mailed"):
    order_id: str


class Booked(Event, name="fragile.booked"):
    room: str
    guest: str


class Order(Aggregate, name="order"):
    id: str
    customer: str
    state: str

    def pay(self, *, blindly: bool) -> None:
        """Pay the order, unless it is closed."""
        if self.state == "placed" or blindly:
            self.record(Paid(order_id=self.id, customer=self.customer))

    def cancel(self) -> None:
        """Cancel the order, unless it is closed."""
        if self.state == "placed":
            self.record(Cancelled(order_id=self.id, customer=self.customer))

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id, self.customer, self.state = event.order_id, event.customer, "placed"

    @on(Paid)
    def _paid(self, event: Paid) -> None:
        self.state = "paid"

    @on(Cancelled)
    def _cancelled(self, event: Cancelled) -> None:
        self.state = "cancelled"


class Room(Aggregate, name="room"):
    id: str
    guests: int = 0

    @on(Booked)
    def _booked(self, event: Booked) -> None:
        self.id, self.guests = event.room, self.guests + 1


class Place(Command[None], name="fragile.place"):
    order_id: str
    customer: str


class Pay(Command[None], name="fragile.pay"):
    order_id: str


class Cancel(Command[None], name="fragile.cancel"):
    order_id: str


class Book(Command[bool], name="fragile.book"):
    room: str
    guest: str


class OrderRow(View, name="fragile_orders", key="order_id"):
    order_id: str
    state: str
    mailed: bool = False
    closed: int = 0


class TotalRow(View, name="fragile_totals", key="customer"):
    customer: str
    orders: int


class RoomRow(View, name="fragile_rooms", key="room"):
    room: str


class GetOrder(Query[OrderRow | None]):
    order_id: str


class Provider:
    """A payment provider, which charges once for each idempotency key."""

    def __init__(self) -> None:
        self.charges = Counter[str]()
        self._keys = set[str]()

    async def charge(self, order_id: str, key: str | None = None) -> None:
        """Charge for an order."""
        if key is None or key not in self._keys:
            self.charges[order_id] += 1
        if key is not None:
            self._keys.add(key)


def shop(process: SimulatedProcess, provider: Provider, mails: Provider, mistake: str | None) -> Application:
    """Build the application of one process."""
    app = Application("fragile", write=process.store, clock=process.clock, ids=process.ids, lease=3.0)
    app.use(retry_conflicts(delay=0.1), on=Command)
    _commands(app, provider, mistake)
    _event_handlers(app, provider, mails, mistake)
    _projections(app, mistake)

    @app.query_handler(GetOrder)
    async def get_order(query: GetOrder, rows: ReadModel[OrderRow]) -> OrderRow | None:
        return await rows.get(query.order_id)

    return app


def _commands(app: Application, provider: Provider, mistake: str | None) -> None:
    @app.command_handler(Place)
    async def place(command: Place, orders: Repository[Order], scheduler: Scheduler, clock: Clock) -> None:
        await orders.add(Order.begin(Placed(order_id=command.order_id, customer=command.customer)))
        await scheduler.schedule(Cancel(order_id=command.order_id), at=clock.now() + PAYABLE, id=command.order_id)
        if mistake == "charge in command":
            await provider.charge(command.order_id)

    @app.command_handler(Pay)
    async def pay(command: Pay, orders: Repository[Order], scheduler: Scheduler) -> None:
        (await orders.get(command.order_id)).pay(blindly=mistake == "late payment")
        await scheduler.cancel(command.order_id)

    @app.command_handler(Cancel)
    async def cancel(command: Cancel, orders: Repository[Order]) -> None:
        (await orders.get(command.order_id)).cancel()

    @app.command_handler(Book)
    async def book(command: Book, rooms: Repository[Room], rows: ReadModel[RoomRow]) -> bool:
        if mistake == "check a read model":
            if await rows.get(command.room) is not None:
                return False
            room = await rooms.find(command.room)
        else:
            room = await rooms.find(command.room)
            if room is not None:
                return False
        booked = Booked(room=command.room, guest=command.guest)
        if room is None:
            await rooms.add(Room.begin(booked))
        else:
            room.record(booked)
        return True


def _event_handlers(app: Application, provider: Provider, mails: Provider, mistake: str | None) -> None:
    @app.event_handler(Placed, name="charge", start="beginning")
    async def charge(event: Placed, session: Session) -> None:
        if mistake != "charge in command":
            await provider.charge(event.order_id, None if mistake == "charge without key" else event.order_id)
        await session.dispatch(Pay(order_id=event.order_id))

    @app.event_handler(Paid, name="mail", start="beginning")
    async def mail(event: Paid, events: EventBus) -> None:
        await mails.charge(event.order_id, None if mistake == "two calls" else event.order_id)
        await mails.charge(f"copy of {event.order_id}", f"copy of {event.order_id}")
        await events.publish(Mailed(order_id=event.order_id))


def _projections(app: Application, mistake: str | None) -> None:
    counted = Counter[str]()

    @app.projection("fragile_orders", partition_by=None if mistake == "order of streams" else "order_id", partitions=2)
    class Orders:
        @on(Placed, Paid, Cancelled)
        async def changed(self, event: Placed | Paid | Cancelled, rows: ReadModel[OrderRow]) -> None:
            row = await rows.get(event.order_id)
            closed = 0 if isinstance(event, Placed) else 1 + (row.closed if row else 0)
            await rows.put(OrderRow(order_id=event.order_id, state=type(event).__name__.lower(), closed=closed))

        @on(Mailed)
        async def mailed(self, event: Mailed, rows: ReadModel[OrderRow]) -> None:
            row = await rows.get(event.order_id)
            if row is not None:
                await rows.put(row.model_copy(update={"mailed": True}))

    by_customer = None if mistake == "partition by stream" else "customer"

    @app.projection("fragile_totals", partition_by=by_customer, partitions=2)
    class Totals:
        @on(Placed)
        async def placed(self, event: Placed, rows: ReadModel[TotalRow]) -> None:
            row = await rows.get(event.customer)
            counted[event.customer] += 1
            orders = counted[event.customer] if mistake == "state in memory" else (row.orders if row else 0) + 1
            await rows.put(TotalRow(customer=event.customer, orders=orders))

    @app.projection("fragile_rooms")
    class Rooms:
        @on(Booked)
        async def booked(self, event: Booked, rows: ReadModel[RoomRow]) -> None:
            await rows.put(RoomRow(room=event.room))


async def buy(simulation: Simulation, mistake: str | None) -> None:
    """Place orders and book a room, from several clients at the same time. Check what must hold."""
    provider, mails = Provider(), Provider()
    outside = simulation.outside(provider, "provider"), simulation.outside(mails, "mails")
    await simulation.start(lambda process: shop(process, *outside, mistake), processes=2)
    orders = ["a", "d"]  # in different partitions
    booked = await asyncio.gather(
        *[_book(simulation, guest) for guest in ("ann", "bob")], *[_place(simulation, each, mistake) for each in orders]
    )
    assert booked.count(True) == 1, "the room is booked once"
    await simulation.settle()
    rows = {row.order_id: row for row in await simulation.rows(OrderRow)}
    assert list(rows) == orders, "each order is placed once"
    assert provider.charges == Counter(orders), "each order is charged once"
    assert all(row.mailed == (row.state == "paid") for row in rows.values()), "a paid order is mailed, and no other"
    assert {row.closed for row in rows.values()} == {1}, "an order is paid or cancelled, once"
    assert set(mails.charges.values()) <= {1}, "each mail is sent once"
    assert [row.orders for row in await simulation.rows(TotalRow)] == [len(orders)], "the total counts each order once"


async def _place(simulation: Simulation, order_id: str, mistake: str | None) -> None:
    client, key = simulation.client(), None if mistake == "retry without key" else order_id
    while True:
        try:
            await client.dispatch(Place(order_id=order_id, customer="c"), idempotency_key=key)
            break
        except (ProcessCrashed, CommitUnknown, TransientFailure):
            order_id += "'"
    reader = simulation.client() if mistake == "no token" else client
    assert await reader.execute(GetOrder(order_id=order_id)) is not None, "a client sees its order"


async def _book(simulation: Simulation, guest: str) -> bool:
    try:
        return await simulation.client().dispatch(Book(room="1", guest=guest), idempotency_key=guest)
    except AggregateExists:
        return False
