"""Commands about processes: processes list, show, retry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from twofold import ProcessStatus

from ._output import FINDING, Failure, JsonOption, print_json, print_table, run, say
from ._target import AppOption, entered

processes = typer.Typer(help="Show processes (sagas), and retry compensations that are stuck.", no_args_is_help=True)

State = Literal["running", "waiting", "completed", "compensating", "failed", "compensation_stuck"]

Name = Annotated[str, typer.Argument(help="The name of the process class.")]
Key = Annotated[str, typer.Argument(help="The key of the process.")]


@processes.command("list")
def list_processes(
    name: Annotated[str | None, typer.Argument(help="The name of a process class.")] = None,
    app: AppOption = None,
    state: Annotated[State | None, typer.Option(help="Only processes in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The maximum number of processes.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List processes by name and key. The exit code is 1 if a compensation is stuck among them."""

    async def work() -> int:
        async with entered(app) as application:
            found = await application.operations.processes(name, state=state, limit=limit)
        if as_json:
            print_json([_as_json(each) for each in found])
        else:
            columns = ("process", "key", "state", "changed", "reason")
            rows = [(each.name, each.key, each.state, each.changed, each.reason) for each in found]
            print_table(columns, rows, empty="There is no process.")
        return FINDING if any(each.state == "compensation_stuck" for each in found) else 0

    run(work)


@processes.command()
def show(name: Name, key: Key, app: AppOption = None, as_json: JsonOption = False) -> None:
    """Show a process with its fields, compensations and timeouts."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.process(name, key)
        if as_json:
            print_json(_as_json(found))
            return
        print_table(("attribute", "value"), [(each, value) for each, value in _as_json(found).items()], empty="")

    run(work)


@processes.command()
def retry(name: Name, key: Key, app: AppOption = None) -> None:
    """Retry the compensation at which a process is stuck, with all its attempts."""

    async def work() -> None:
        async with entered(app) as application:
            if await application.operations.retry_process(name, key):
                say(f"The compensation of {name} {key} is retried.")
                return
        raise Failure(
            f"no compensation of {name} {key!r} is stuck. List those that are with `twofold processes list --state "
            "compensation_stuck`.",
            code=FINDING,
        )

    run(work)


def _as_json(process: ProcessStatus) -> dict[str, object]:
    return asdict(process)
