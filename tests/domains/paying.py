"""A small shop: orders that are paid within a time, and mails."""

from __future__ import annotations

from datetime import timedelta

from twofold import (
    Aggregate,
    Application,
    Command,
    Event,
    Query,
    ReadModel,
    Repository,
    Retry,
    Router,
    Session,
    View,
    on,
)
from twofold.testing import ManualClock
from twofold_memory import InMemory

PAYABLE = timedelta(minutes=30)


class Placed(Event, name="shop.placed"):
    order_id: str


class Paid(Event, name="shop.paid"):
    order_id: str
    cents: int


class Cancelled(Event, name="shop.cancelled"):
    order_id: str


class Order(Aggregate, name="order"):
    id: str
    open: bool

    @classmethod
    def place(cls, order_id: str) -> Order:
        """Place an order."""
        if not order_id:
            raise ValueError("an order needs an id")
        return cls.begin(Placed(order_id=order_id))

    def pay(self, cents: int) -> str:
        """Pay the order, and return a receipt."""
        self.record(Paid(order_id=self.id, cents=cents))
        if cents <= 0:
            raise ValueError("pay a positive amount")
        return f"receipt of {self.id}"

    def cancel(self) -> None:
        """Cancel the order, unless it is paid."""
        if self.open:
            self.record(Cancelled(order_id=self.id))

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id, self.open = event.order_id, True

    @on(Paid, Cancelled)
    def _closed(self, event: Paid | Cancelled) -> None:
        self.open = False


class Place(Command[str], name="shop.place"):
    order_id: str


class Pay(Command[str], name="shop.pay"):
    order_id: str
    cents: int = 100


class Cancel(Command[None], name="shop.cancel"):
    order_id: str


class Thank(Command[None], name="shop.thank"):
    order_id: str


class OrderRow(View, name="order_row", key="order_id"):
    order_id: str
    state: str


class GetOrder(Query[OrderRow | None]):
    order_id: str


class Mailer:
    """Collects mails; fails as often as a test says."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.mails: list[str] = []

    def send(self, text: str) -> None:
        """Send a mail."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no mail server")
        self.mails.append(text)


def shop(mailer: Mailer | None = None, *, event_sourced: bool = False, clock: ManualClock | None = None) -> Application:
    """Compose the shop on a new store."""
    mails, router = mailer or Mailer(), Router("shop")

    @router.command_handler(Place)
    async def place(command: Place, orders: Repository[Order], session: Session) -> str:
        await orders.add(Order.place(command.order_id))
        await session.schedule(Cancel(order_id=command.order_id), at=app.clock.now() + PAYABLE, id=command.order_id)
        return command.order_id

    @router.command_handler(Pay)
    async def pay(command: Pay, orders: Repository[Order]) -> str:
        return (await orders.get(command.order_id)).pay(command.cents)

    @router.command_handler(Cancel)
    async def cancel(command: Cancel, orders: Repository[Order]) -> None:
        (await orders.get(command.order_id)).cancel()

    @router.command_handler(Thank)
    async def thank(command: Thank) -> None:
        mails.send(f"thanks for {command.order_id}")

    @router.event_handler(Paid, name="mail", retry=Retry(attempts=2, delay=60.0))
    async def mail(event: Paid, session: Session) -> None:
        await session.dispatch(Thank(order_id=event.order_id))

    @router.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[OrderRow]) -> None:
            self.rows = rows

        @on(Placed)
        async def placed(self, event: Placed) -> None:
            await self.rows.put(OrderRow(order_id=event.order_id, state="open"))

        @on(Paid, Cancelled)
        async def closed(self, event: Paid | Cancelled) -> None:
            await self.rows.put(OrderRow(order_id=event.order_id, state=type(event).__name__.lower()))

    @router.query_handler(GetOrder, reads="rows")
    async def get_order(query: GetOrder, rows: ReadModel[OrderRow]) -> OrderRow | None:
        return await rows.get(query.order_id)

    app = Application(
        "shop", write=InMemory(), clock=clock or ManualClock(), event_sourced=[Order] if event_sourced else []
    )
    app.include(router)
    return app
