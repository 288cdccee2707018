"""The command line: `python -m orders --help`."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
import typer
from rich.progress import open as open_with_progress
from sqlalchemy import make_url

from orders import show
from orders.composition import FILE, running
from orders.csv_rows import NotAnOrderFile
from orders.figures import GetFigures
from orders.importing import import_orders
from orders.read_side import GetOrder, ListUserOrders, OrderStatistics
from twofold import Query, TwofoldError

R = TypeVar("R")
cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Orders, the reference example of Twofold.")

File = Annotated[Path, typer.Argument(help="Invoice lines as CSV, plain or gzip.", exists=True, dir_okay=False)]
Write = Annotated[str, typer.Option(help="The database of orders and events, as a URL of SQLAlchemy.")]
Read = Annotated[
    str | None,
    typer.Option(help="Redis or a database for the read models, if they are not in the database of the orders."),
]
Transport = Annotated[str | None, typer.Option(help="RabbitMQ (amqp://) or Redis (redis://) that carries the events.")]
Share = Annotated[
    float, typer.Option(min=0, max=1, help="The share of the orders, from 0 to 1. Shipped orders are paid first.")
]
EventSourced = Annotated[bool, typer.Option(help="Store orders as events instead of rows.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]
FromOne = Annotated[int, typer.Option(min=1, max=200)]


@cli.command("import")
def import_file(
    file: File,
    write: Write = FILE,
    read: Read = None,
    pay_rate: Share = 0,
    ship_rate: Share = 0,
    event_sourced: EventSourced = False,
) -> None:
    """Import a file of invoices as orders. Rejected rows go to FILE.rejected.csv. A second import creates no duplicates."""
    # An import creates many short-lived objects without cycles, so the garbage collector may run less often.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    rejects = Path(f"{file.name}.rejected.csv")

    async def run() -> None:
        async with running(write, read, event_sourced=event_sourced) as app:
            with open_with_progress(file, "rb", description="Importing", console=show.console) as source:
                done = await import_orders(app, source, rejects, pay_rate=pay_rate, ship_rate=ship_rate)
            show.imported(done, rejects)
            show.subscriptions("Projections, right after the import", await app.operations.status())
            await app.settle(timeout=600)
            show.subscriptions("Projections, a moment later", await app.operations.status())
            show.figures(await app.execute(GetFigures()))

    asyncio.run(run())


@cli.command("work")
def work(write: Write = FILE, read: Read = None, transport: Transport = None) -> None:
    """Run the projections until stopped. Several workers share the work."""

    async def run() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with running(write, read, transport=transport) as app:
                show.subscriptions("At work", await app.operations.status())
                await anext(signals)

    asyncio.run(run())


@cli.command("figures")
def figures(write: Write = FILE, read: Read = None) -> None:
    """Show the totals of the read models."""
    show.figures(asyncio.run(_answer(write, read, GetFigures())))


@cli.command("show")
def show_order(order: str, write: Write = FILE, read: Read = None) -> None:
    """Show one order."""
    show.order(asyncio.run(_answer(write, read, GetOrder(order_id=order))))


@cli.command("list")
def list_orders(user: int, page: FromOne = 1, page_size: FromOne = 20, write: Write = FILE, read: Read = None) -> None:
    """List a user's orders, the newest first."""
    show.user_orders(asyncio.run(_answer(write, read, ListUserOrders(user_id=user, page=page, page_size=page_size))))


@cli.command("stats")
def statistics(day: Day, write: Write = FILE, read: Read = None) -> None:
    """Show a day's statistics."""
    show.statistics(asyncio.run(_answer(write, read, OrderStatistics(day=day.date()))))


async def _answer(write: str, read: str | None, query: Query[R]) -> R:
    for url in map(make_url, filter(None, (write, read))):
        if url.get_backend_name() == "sqlite" and not await anyio.Path(url.database or "").exists():
            raise FileNotFoundError(
                f"The database {url.database} does not exist. Create it with: python -m orders import FILE"
            )
    async with running(write, read) as app:
        await app.settle()
        return await app.execute(query)


if __name__ == "__main__":
    try:
        cli(prog_name="python -m orders")
    except (
        NotAnOrderFile,
        TwofoldError,
        OSError,
    ) as error:  # the user can fix these errors, so no traceback is printed
        sys.exit(f"{type(error).__name__}: {error}")
