"""The orders example under the schedules of the simulator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from orders.commands import write_side
from orders.container import Container
from orders.domain import Order
from orders.messages import CancelOrder, OrderItem, PayOrder, PlaceOrder, Status
from orders.read_side import GetOrder, read_side
from orders.views import DailyStatistics, OrderDetail, UserOrder
from twofold import Application, Command
from twofold.middleware import retry_conflicts
from twofold.testing import SimulatedProcess, Simulation, simulate
from twofold_memory import InMemory

CUSTOMERS = (12345, 12346)
CONTAINER = Container()


def shop(process: SimulatedProcess, *, event_sourced: bool) -> Application:
    """Build the application of one process."""
    app = Application(
        "orders", write=process.store, clock=process.clock, ids=process.ids, container=CONTAINER,
        event_sourced=[Order] if event_sourced else [], lease=3.0,
    )  # fmt: skip
    app.use(retry_conflicts(delay=0.1), on=Command)
    app.include(write_side)
    app.include(read_side)
    return app


async def order(simulation: Simulation, customer: int) -> None:
    """Place an order and pay it. Every query sees the last command."""
    client = simulation.client()
    items = (OrderItem(product_id="20000", quantity=customer % 10),)
    order_id = await client.dispatch(PlaceOrder(user_id=customer, items=items), idempotency_key=f"place {customer}")
    await client.dispatch(PayOrder(order_id=order_id), idempotency_key=f"pay {customer}")
    paid = await client.execute(GetOrder(order_id=order_id))
    assert paid is not None
    assert paid.status is Status.PAID
    if customer == CUSTOMERS[-1]:
        await client.dispatch(CancelOrder(order_id=order_id), idempotency_key=f"cancel {customer}")


async def trade(simulation: Simulation, *, event_sourced: bool) -> None:
    """Two customers order at the same time. The figures are right at the end."""
    await simulation.start(lambda process: shop(process, event_sourced=event_sourced), processes=2)
    await asyncio.gather(*(order(simulation, customer) for customer in CUSTOMERS))
    await simulation.settle()
    orders, listed = await simulation.rows(OrderDetail), await simulation.rows(UserOrder)
    assert sorted(each.status for each in orders) == ["cancelled", "paid"]
    assert [each.status for each in listed] == [each.status for each in orders]
    (day,) = await simulation.rows(DailyStatistics)
    total = sum(each.total for each in orders)
    assert (day.day, day.orders, day.cancelled, day.amount) == (datetime(2026, 1, 1, tzinfo=UTC).date(), 2, 1, total)


@pytest.mark.parametrize("event_sourced", [False, True])
def test_no_schedule_breaks_the_orders(event_sourced: bool, everywhere: bool) -> None:
    """Delays, failures and crashes at any point leave every order and every figure right."""

    async def scenario(simulation: Simulation) -> None:
        await trade(simulation, event_sourced=event_sourced)

    done = simulate(scenario, store=InMemory, schedules=1_000 if everywhere else 20, workers=2)
    assert done.faults > done.schedules
