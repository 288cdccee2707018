"""The commands of `twofold`, in groups."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from . import (
    _applications,
    _console,
    _events,
    _messages,
    _parked,
    _processes,
    _projects,
    _scheduled,
    _schema,
    _subscriptions,
    _tags,
)
from ._output import CLOSED

cli = typer.Typer(
    name="twofold",
    help="Inspect, repair and run an application built with Twofold. The application is named by --app module:attribute, "
    "by TWOFOLD_APP, or by app under tool.twofold in pyproject.toml.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_WIRING, _OPERATIONS, _SETUP = "Wiring", "Operations", "Set-up"

cli.command(rich_help_panel=_WIRING)(_applications.check)
cli.command(rich_help_panel=_WIRING)(_applications.explain)
cli.command(rich_help_panel=_WIRING)(_applications.graph)
cli.command(rich_help_panel=_OPERATIONS)(_applications.worker)
cli.command(rich_help_panel=_OPERATIONS)(_console.console)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.status)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.health)
cli.add_typer(_parked.parked, name="parked", rich_help_panel=_OPERATIONS)
cli.add_typer(_messages.messages, name="messages", rich_help_panel=_OPERATIONS)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.rebuild)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.realign)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.replay)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.pause)
cli.command(rich_help_panel=_OPERATIONS)(_subscriptions.resume)
cli.add_typer(_scheduled.scheduled, name="scheduled", rich_help_panel=_OPERATIONS)
cli.add_typer(_processes.processes, name="processes", rich_help_panel=_OPERATIONS)
cli.command(rich_help_panel=_OPERATIONS)(_events.events)
cli.command(rich_help_panel=_OPERATIONS)(_events.path)
cli.command(rich_help_panel=_OPERATIONS)(_events.lost)
cli.add_typer(_tags.tags, name="tags", rich_help_panel=_OPERATIONS)
cli.add_typer(_schema.schema, name="schema", rich_help_panel=_SETUP)
cli.command(rich_help_panel=_SETUP)(_projects.new)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twofold {version('twofold')}")
        raise typer.Exit


@cli.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: the entry point of the `twofold` command."""
    try:
        cli()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Click reports it as 1, which means a finding here
            raise SystemExit(CLOSED) from None
        raise
