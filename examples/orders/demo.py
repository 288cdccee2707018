"""The story that `make demo` tells."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from orders import show
from orders.composition import running
from orders.domain import ForbiddenTransition
from orders.figures import GetFigures
from orders.importing import chosen, import_orders
from orders.messages import CancelOrder, GetOrder, ListUserOrders, OrderStatistics, ShipOrder
from orders.views import UserOrder
from twofold import Application

SAMPLE = Path(__file__).with_name("sample.csv")


async def tell(console: Console, folder: Path) -> None:
    """Import the sample into a new database in the folder, work with it, and show what can be read."""
    console.rule("Commands go in: an order for each invoice of a dirty CSV file, into SQLite")
    async with running(folder / "orders.db") as app:
        with show.progress(console, SAMPLE.stat().st_size) as advance:
            summary = await import_orders(app, SAMPLE, folder / "rejected.csv", pay_rate=0.6, progress=advance)
        show.summary(console, summary, folder / "rejected.csv")
        console.rule("Commands again: ship and cancel some orders; rules are kept")
        order_id, user_id = await _work(app, console)
        console.rule("Read models come out, written by projections behind the log")
        show.subscriptions(console, await app.status())
        await app.settle()
        order = await app.execute(GetOrder(order_id=order_id))
        show.order(console, order_id, order)
        show.user_orders(console, user_id, 1, 5, await app.execute(ListUserOrders(user_id=user_id, page_size=5)))
        if order is not None:
            show.statistics(console, await app.execute(OrderStatistics(day=order.placed_at.date())))
        show.figures(console, await app.execute(GetFigures()))
        show.subscriptions(console, await app.status())


async def _work(app: Application, console: Console) -> tuple[str, int]:
    """Ship half of what is paid and cancel some of the rest; return an order and its user."""
    shipped = cancelled = refused = 0
    last: UserOrder | None = None
    async with app.session() as session:
        for user_id in range(12345, 12375):
            # The session waits until the list has what the import wrote: nobody has to think of it.
            for row in (await session.execute(ListUserOrders(user_id=user_id), after=None)).items:
                try:
                    if chosen(row.order_id[::-1], 0.3):
                        await session.dispatch(ShipOrder(order_id=row.order_id))
                        shipped, last = shipped + 1, row
                    elif chosen(row.order_id[::-1], 0.4):
                        await session.dispatch(CancelOrder(order_id=row.order_id))
                        cancelled += 1
                except ForbiddenTransition:
                    refused += 1
    console.print(f"{shipped} shipped, {cancelled} cancelled; {refused} not shipped, because they are not paid.")
    if last is None:
        raise LookupError("the sample holds no order that can be shipped")
    return last.order_id, last.user_id
