"""The command line: `python -m orders --help`."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Callable, Coroutine
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orders import show
from orders.composition import running
from orders.csv_rows import NotAnOrderFile
from orders.demo import tell
from orders.figures import GetFigures
from orders.importing import import_orders
from orders.messages import GetOrder, ListUserOrders, OrderStatistics
from twofold import TwofoldError

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Orders, the reference example of Twofold.")
console = Console()

Database = Annotated[Path, typer.Option("--db", help="The SQLite file; made when it is missing.")]
EventSourced = Annotated[bool, typer.Option(help="Keep orders as their events, not as rows.")]
ORDERS_DB = Path("orders.db")


def command(name: str) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], None]:
    """Make an async function a command; what the user can mend ends it with one line and no traceback."""

    def register(function: Callable[..., Coroutine[Any, Any, None]]) -> None:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                asyncio.run(function(*args, **kwargs))
            except (NotAnOrderFile, TwofoldError, OSError) as error:
                console.print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
                raise typer.Exit(1) from error

        cli.command(name)(run)

    return register


@command("import")
async def import_file(
    file: Annotated[Path, typer.Argument(help="Invoice lines as CSV, plain or gzip.", exists=True, dir_okay=False)],
    db: Database = ORDERS_DB,
    pay_rate: Annotated[float, typer.Option(min=0, max=1, help="The share of the orders to pay at once.")] = 0.0,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go.")] = None,
    event_sourced: EventSourced = False,
) -> None:
    """Import a file of invoices, each as an order. Importing it again creates nothing twice."""
    target = rejects or Path(f"{file.name}.rejected.csv")
    # An import makes many objects that live briefly and form no cycles: let the collector look at fewer, less often.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    async with running(db, event_sourced=event_sourced) as app:
        with show.progress(console, file.stat().st_size) as advance:
            summary = await import_orders(app, file, target, pay_rate=pay_rate, progress=advance)
        with console.status("The read models catch up …"):
            await app.settle(timeout=600)
        show.summary(console, summary, target)
        show.figures(console, await app.execute(GetFigures()))
        show.subscriptions(console, await app.status())


@command("show")
async def show_order(order: str, db: Database = ORDERS_DB, event_sourced: EventSourced = False) -> None:
    """Show one order."""
    async with running(db, event_sourced=event_sourced) as app:
        await app.settle()
        found = await app.execute(GetOrder(order_id=order))
        show.order(console, order, found)


@command("list")
async def list_orders(
    user: int,
    page: Annotated[int, typer.Option(min=1)] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200)] = 20,
    db: Database = ORDERS_DB,
    event_sourced: EventSourced = False,
) -> None:
    """List a user's orders, the newest first."""
    async with running(db, event_sourced=event_sourced) as app:
        await app.settle()
        rows = await app.execute(ListUserOrders(user_id=user, page=page, page_size=page_size))
        show.user_orders(console, user, page, page_size, rows)


@command("stats")
async def statistics(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])],
    db: Database = ORDERS_DB,
    event_sourced: EventSourced = False,
) -> None:
    """Show a day's statistics."""
    async with running(db, event_sourced=event_sourced) as app:
        await app.settle()
        show.statistics(console, await app.execute(OrderStatistics(day=_day(day))))


@command("demo")
async def demo() -> None:
    """Import the sample, pay and ship some of it, and show what the read models say."""
    with tempfile.TemporaryDirectory() as folder:
        await tell(console, Path(folder))


def _day(day: datetime) -> date:
    return day.date()


if __name__ == "__main__":
    cli(prog_name="python -m orders")
