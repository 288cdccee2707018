"""The command line: `python -m shipping --help`."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated

import anyio
import typer
from rich.console import Console

from shipping.service import ListShipments, running
from twofold import TwofoldError

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Ship paid orders.")

Store = Annotated[str, typer.Option(help="The service's own database, as a URL of SQLAlchemy.")]
Transport = Annotated[str, typer.Option(help="RabbitMQ, which carries events and commands.")]
FILE, LOCAL = "sqlite+aiosqlite:///shipping.db", "amqp://guest:guest@127.0.0.1/"


@cli.command("work")
def work(store: Store = FILE, transport: Transport = LOCAL) -> None:
    """Ship paid orders until stopped."""

    async def run() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with running(store, transport):
                Console().print("Shipping what is paid.")
                await anext(signals)

    asyncio.run(run())


@cli.command("count")
def count(store: Store = FILE, transport: Transport = LOCAL) -> None:
    """Show how many shipments are in each state."""

    async def run() -> None:
        async with running(store, transport, work=False) as app:
            for state in ("waits for payment", "to be shipped", "shipped", "cancelled"):
                found = await app.execute(ListShipments(state=state))
                Console().print(f"{state}: {len(found):,}")

    asyncio.run(run())


if __name__ == "__main__":
    try:
        cli(prog_name="python -m shipping")
    except (TwofoldError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
