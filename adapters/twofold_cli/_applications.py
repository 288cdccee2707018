"""Commands about the whole application: check, explain, graph, worker."""

from __future__ import annotations

import asyncio
import logging
import signal
from enum import StrEnum
from typing import Annotated

import typer

from twofold.errors import WiringError

from ._graph import as_mermaid, as_text
from ._output import FINDING, JsonOption, print_json, print_lines, run, say
from ._target import AppOption, entered, opened


class GraphFormat(StrEnum):
    """How `graph` prints the topology."""

    TEXT = "text"
    MERMAID = "mermaid"
    JSON = "json"


def check(app: AppOption = None, as_json: JsonOption = False) -> None:
    """Check the wiring without starting, and list all faults with file and line."""

    async def work() -> int:
        async with opened(app) as application:
            try:
                application.check()
                faults = []
            except WiringError as error:
                faults = [str(fault) for fault in error.faults]
            if as_json:
                print_json({"application": application.name, "faults": faults})
            else:
                for fault in faults:
                    print_lines(fault)
                say(
                    f"{application.name}: {len(faults)} fault(s) found."
                    if faults
                    else f"{application.name}: no faults."
                )
            return FINDING if faults else 0

    run(work)


def explain(
    message: Annotated[str, typer.Argument(help="The class name of a command, a query or an event.")],
    app: AppOption = None,
) -> None:
    """Print the pipeline that handles a message: middleware, unit of work, handler and injected parameters."""

    async def work() -> None:
        async with opened(app) as application:
            print_lines(application.explain(message))

    run(work)


def graph(
    app: AppOption = None,
    form: Annotated[GraphFormat, typer.Option("--format", "-f", help="How to print it.")] = GraphFormat.TEXT,
) -> None:
    """Print what flows from commands to aggregates, events, subscriptions, views and queries."""

    async def work() -> None:
        async with opened(app) as application:
            topology = application.operations.topology()
            if form is GraphFormat.JSON:
                print_json(topology)
            else:
                print_lines(as_mermaid(topology) if form is GraphFormat.MERMAID else as_text(topology))

    run(work)


def worker(
    app: AppOption = None,
    level: Annotated[str, typer.Option("--log-level", help="The level of the log on standard error.")] = "INFO",
) -> None:
    """Run the subscriptions, the relays and the scheduler until SIGINT or SIGTERM. Current batches are finished."""

    async def work() -> None:
        logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        async with entered(app, work=True) as application:
            say(f"{application.name}: the worker runs. Stop it with Ctrl+C.")
            await stopped.wait()
            say(f"{application.name}: the worker finishes its batches.")
        say(f"{application.name}: the worker has stopped.")

    if level.upper() not in logging.getLevelNamesMapping():
        raise typer.BadParameter(f"there is no log level {level!r}. Levels: DEBUG, INFO, WARNING, ERROR.")
    run(work)
