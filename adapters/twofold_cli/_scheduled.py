"""Commands about scheduled commands: scheduled list, stuck, retry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from twofold.ports import ScheduledCommand

from ._output import FINDING, Failure, JsonOption, print_json, print_table, run, say
from ._target import AppOption, entered

scheduled = typer.Typer(help="Show scheduled commands, and retry those that are stuck.", no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="The maximum number of commands.")]


@scheduled.command("list")
def list_scheduled(app: AppOption = None, limit: Limit = 100, as_json: JsonOption = False) -> None:
    """List the commands that are due next, the earliest first."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.scheduled(limit=limit)
        _print(found, as_json, empty="No command is scheduled.")

    run(work)


@scheduled.command()
def stuck(app: AppOption = None, limit: Limit = 100, as_json: JsonOption = False) -> None:
    """List the commands that have used up their attempts. The exit code is 1 if there are some."""

    async def work() -> int:
        async with entered(app) as application:
            found = await application.operations.stuck(limit=limit)
        _print(found, as_json, empty="No command is stuck.")
        return FINDING if found else 0

    run(work)


@scheduled.command()
def retry(
    id: Annotated[str, typer.Argument(help="The id of a stuck command.")],
    app: AppOption = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant of the command.")] = None,
) -> None:
    """Retry a stuck command now, with all its attempts."""

    async def work() -> None:
        async with entered(app) as application:
            for each in await application.operations.stuck(limit=10_000):
                if (each.id, each.tenant or None) == (id, tenant) and await application.operations.retry_scheduled(
                    each
                ):
                    say(f"{each.name} {each.id} is due now.")
                    return
        raise Failure(f"no command {id!r} is stuck. List them with `twofold scheduled stuck`.", code=FINDING)

    run(work)


def _print(found: Iterable[ScheduledCommand], as_json: bool, *, empty: str) -> None:
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    columns = ("id", "tenant", "command", "due", "attempts", "reason")
    rows = [(each.id, each.tenant, each.name, each.due, each.attempts, each.reason) for each in found]
    print_table(columns, rows, empty=empty)


def _as_json(command: ScheduledCommand) -> dict[str, object]:
    names = ("id", "tenant", "name", "due", "again", "attempts", "reason")
    return {name: getattr(command, name) for name in names}
