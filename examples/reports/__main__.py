"""The command line: `python -m reports --help`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import anyio
import typer

import places
from orders import show
from orders.figures import GetFigures
from orders.messages import OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped
from orders.read_side import read_side
from twofold import Application, TwofoldError

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The read models of the orders, in a service of their own."
)

Store = Annotated[str, typer.Option(help="The database in which received events are recorded, as a URL of SQLAlchemy.")]
Read = Annotated[str, typer.Option(help="Redis, for the read models.")]
Transport = Annotated[str, typer.Option(help="RabbitMQ (amqp://) or Redis (redis://) that carries the events.")]
FILE, REDIS, RABBITMQ = "sqlite+aiosqlite:///reports.db", "redis://127.0.0.1", "amqp://guest:guest@127.0.0.1/"


@asynccontextmanager
async def running(store: str, read: str, transport: str, *, work: bool = True) -> AsyncIterator[Application]:
    """Run the service on the stores of these URLs."""
    async with AsyncExitStack() as opened:
        reading = await opened.enter_async_context(places.reading(read))
        app = Application(
            "reports",
            write=await opened.enter_async_context(places.database(store)),
            read=reading.store,
            cache=reading.cache,
            notifier=reading.notifier,
            transport=await opened.enter_async_context(places.transport(transport)),
            work=work,
        )
        app.include(read_side)
        received = OrderCreated, OrderPaid, OrderShipped, OrderDelivered, OrderCancelled
        app.consume(*received, source="orders", partitions=2)
        await app.create_schema()
        yield await opened.enter_async_context(app)


@cli.command("work")
def work(store: Store = FILE, read: Read = REDIS, transport: Transport = RABBITMQ) -> None:
    """Receive events and update the read models until stopped. Several processes share the work."""

    async def run() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with running(store, read, transport) as app:
                show.subscriptions("At work", await app.operations.status())
                await anext(signals)

    asyncio.run(run())


@cli.command("figures")
def figures(store: Store = FILE, read: Read = REDIS, transport: Transport = RABBITMQ) -> None:
    """Show the totals of the read models."""

    async def run() -> None:
        async with running(store, read, transport, work=False) as app:
            show.figures(await app.execute(GetFigures()))

    asyncio.run(run())


if __name__ == "__main__":
    try:
        cli(prog_name="python -m reports")
    except (TwofoldError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
