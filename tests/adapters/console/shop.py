"""The application that the tests of the console show: orders, with mails that can fail."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr, field_serializer

from twofold import (
    Aggregate,
    Application,
    Cache,
    Command,
    Event,
    Query,
    ReadModel,
    Repository,
    Retry,
    Router,
    Scheduler,
    View,
    on,
)
from twofold.ports import Clock, ReadStore, WriteStore
from twofold_memory import InMemory, InMemoryCache, InMemoryTransport

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>{{ 7*7 }}"
"""A text that runs a script where it is not escaped."""


class Placed(Event, name="shop.placed"):
    order_id: str
    product: str
    card: SecretStr

    @field_serializer("card", when_used="json")
    def _stored(self, card: SecretStr) -> str:
        return card.get_secret_value()


class Paid(Event, name="shop.paid"):
    order_id: str


class Order(Aggregate, name="shop_order"):
    id: str = ""

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id = event.order_id

    @on(Paid)
    def _paid(self, event: Paid) -> None: ...


class Place(Command[str], name="shop.place"):
    order_id: str
    product: str = "lamp"
    card: SecretStr = SecretStr("4111-secret")


class Pay(Command[None], name="shop.pay"):
    order_id: str


class OrderRow(View, name="shop_order_row", key="order_id"):
    order_id: str
    product: str


class GetOrder(Query["OrderRow | None"]):
    order_id: str


class MailServerAway(Exception):
    """The mail server refuses a product."""


def new_shop(
    *,
    refuses: str = "refused",
    handlers: int = 0,
    transport: InMemoryTransport | None = None,
    write: WriteStore | None = None,
    read: ReadStore | None = None,
) -> Application:
    """Return a shop whose mails about a product fail, with more event handlers. By default, its store is in memory.

    With a transport, it relays orders to `new_billing`.
    """
    shop = Router("shop")

    @shop.command_handler(Place)
    async def place(command: Place, orders: Repository[Order], scheduler: Scheduler, clock: Clock) -> str:
        await orders.add(Order.begin(Placed(order_id=command.order_id, product=command.product, card=command.card)))
        due = clock.now() + timedelta(hours=1)
        await scheduler.schedule(Pay(order_id=command.order_id), at=due, id=f"pay:{command.order_id}")
        return command.order_id

    @shop.command_handler(Pay)
    async def pay(command: Pay, orders: Repository[Order]) -> None:
        order = await orders.get(command.order_id)
        order.record(Paid(order_id=command.order_id))

    @shop.projection("order_rows")
    class OrderRows:
        @on(Placed)
        async def placed(self, event: Placed, rows: ReadModel[OrderRow]) -> None:
            await rows.put(OrderRow(order_id=event.order_id, product=event.product))

    @shop.query_handler(
        GetOrder, cache=Cache(ttl=60, key="order:{order_id}", invalidated_by={Placed: "order:{order_id}"})
    )
    async def get_order(query: GetOrder, rows: ReadModel[OrderRow]) -> OrderRow | None:
        return await rows.get(query.order_id)

    @shop.event_handler(Placed, name="mail", start="beginning", retry=Retry(attempts=1))
    async def mail(event: Placed) -> None:
        if refuses in event.product:
            raise MailServerAway(f"no mail about {event.product}")

    for number in range(handlers):

        @shop.event_handler(Placed, name=f"handler_{number:02}", start="beginning")
        async def handle(event: Placed) -> None: ...

    if transport is not None:
        shop.relay(Placed)
    app = Application(
        "shop",
        write=write or InMemory(),
        read=read,
        cache=InMemoryCache(),
        transport=transport,
        event_sourced=[Order],
        lease=0.6,
    )
    app.include(shop)
    return app


def new_billing(transport: InMemoryTransport) -> Application:
    """Return another application, which consumes the orders of the shop."""
    billing = Application("billing", write=InMemory(), transport=transport, lease=0.6)
    billing.consume(Placed, source="shop")

    @billing.event_handler(Placed, name="invoice")
    async def invoice(event: Placed) -> None: ...

    return billing
