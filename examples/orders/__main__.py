"""The command line: `python -m orders --help`."""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import open as open_with_progress

from orders import show
from orders.composition import running
from orders.csv_rows import NotAnOrderFile
from orders.figures import GetFigures
from orders.importing import import_orders
from orders.queries import GetOrder, ListUserOrders, OrderStatistics
from twofold import Query, TwofoldError

R = TypeVar("R")
cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Orders, the reference example of Twofold.")

File = Annotated[Path, typer.Argument(help="Invoice lines as CSV, plain or gzip.", exists=True, dir_okay=False)]
Database = Annotated[Path, typer.Option("--db", help="The SQLite file; made when it is missing.")]
Share = Annotated[float, typer.Option(min=0, max=1, help="Of the orders, from 0 to 1; shipped ones are paid before.")]
Rejects = Annotated[Path | None, typer.Option(help="Where rejected rows go.")]
EventSourced = Annotated[bool, typer.Option(help="Keep orders as their events, not as rows.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]
FromOne = Annotated[int, typer.Option(min=1, max=200)]
ORDERS_DB = Path("orders.db")


@cli.command("import")
def import_file(
    file: File,
    db: Database = ORDERS_DB,
    pay_rate: Share = 0,
    ship_rate: Share = 0,
    rejects: Rejects = None,
    event_sourced: EventSourced = False,
) -> None:
    """Import a file of invoices, each as an order. Importing it again creates nothing twice."""
    # An import makes many objects that live briefly and form no cycles: let the collector look at fewer, less often.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    rejects = rejects or Path(f"{file.name}.rejected.csv")

    async def run() -> None:
        async with running(db, event_sourced=event_sourced) as app:
            with open_with_progress(file, "rb", description="Importing", console=show.console) as source:
                done = await import_orders(app, source, rejects, pay_rate=pay_rate, ship_rate=ship_rate)
            show.imported(done, rejects)
            show.subscriptions("Projections, right after it", await app.status())
            await app.settle(timeout=600)
            show.subscriptions("Projections, a moment later", await app.status())
            show.figures(await app.execute(GetFigures()))

    asyncio.run(run())


@cli.command("show")
def show_order(order: str, db: Database = ORDERS_DB) -> None:
    """Show one order."""
    show.order(_answer(db, GetOrder(order_id=order)))


@cli.command("list")
def list_orders(user: int, page: FromOne = 1, page_size: FromOne = 20, db: Database = ORDERS_DB) -> None:
    """List a user's orders, the newest first."""
    show.user_orders(_answer(db, ListUserOrders(user_id=user, page=page, page_size=page_size)))


@cli.command("stats")
def statistics(day: Day, db: Database = ORDERS_DB) -> None:
    """Show a day's statistics."""
    show.statistics(_answer(db, OrderStatistics(day=day.date())))


def _answer(db: Path, query: Query[R]) -> R:
    async def answer() -> R:
        async with running(db) as app:
            await app.settle()
            return await app.execute(query)

    return asyncio.run(answer())


if __name__ == "__main__":
    try:
        cli(prog_name="python -m orders")
    except (NotAnOrderFile, TwofoldError, OSError) as error:  # what the user can mend: one line and no traceback
        sys.exit(f"{type(error).__name__}: {error}")
