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
from ._target import STOPS, AppOption, entered, opened


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


class _Stopping:
    """The end of a worker by a signal. A worker that starts is cancelled, since a store may never answer.

    `nohup` lets a process ignore SIGHUP, and the worker ignores it as well.
    """

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.starts = asyncio.current_task()
        for number in STOPS:
            if signal.getsignal(number) is not signal.SIG_IGN or number is signal.SIGINT:
                asyncio.get_running_loop().add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self.stopped.set()
        if self.starts is not None:
            self.starts.cancel()


def worker(
    app: AppOption = None,
    level: Annotated[str, typer.Option("--log-level", help="The level of the log on standard error.")] = "INFO",
) -> None:
    """Run the subscriptions, the relays and the scheduler until SIGINT, SIGTERM or SIGHUP. Current batches are finished."""

    async def work() -> None:
        logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
        stopping = _Stopping()
        try:
            async with entered(app, work=True) as application:
                stopping.starts = None
                say(f"{application.name}: the worker runs. Stop it with Ctrl+C.")
                await stopping.stopped.wait()
                say(f"{application.name}: the worker finishes its batches.")
        except asyncio.CancelledError:
            if not stopping.stopped.is_set():
                raise
            say("The worker was stopped before it ran.")
        else:
            say(f"{application.name}: the worker has stopped.")

    if level.upper() not in logging.getLevelNamesMapping():
        raise typer.BadParameter(f"there is no log level {level!r}. Levels: DEBUG, INFO, WARNING, ERROR.")
    run(work)
