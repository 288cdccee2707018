"""Commands about subscriptions: status, health, rebuild, realign, replay, pause, resume."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twofold import Health, Problem
from twofold.errors import StorageError, TransientFailure

from ._output import FINDING, Failure, JsonOption, YesOption, confirmed, print_json, print_table, run, say
from ._target import AppOption, entered

Pausable = Annotated[
    str, typer.Argument(help="The name of a projection, event handler or relay, or of a consumer such as depot.shop.")
]


def status(app: AppOption = None, as_json: JsonOption = False) -> None:
    """Show every subscription and consumer: state, position, lag, parked and retrying events, and the processes that run it.

    The exit code is 1 if a store does not answer.
    """

    async def work() -> int:
        try:
            async with entered(app) as application:
                found = await application.operations.status()
                consumers = await application.operations.consumers()
        except (TransientFailure, StorageError) as error:
            _print_health(Health.of_failure(error), as_json)
            return FINDING
        if as_json:
            shown = [asdict(each) | {"state": each.overall} for each in found]
            print_json([*shown, *(asdict(each) | {"kind": "consumer"} for each in consumers)])
            return 0
        columns = ("subscription", "kind", "state", "position", "lag", "parked", "retrying", "workers", "error")
        rows: list[tuple[object, ...]] = [
            (
                *(each.name, each.kind, each.overall, int(each.position), each.lag, each.parked, each.retrying),
                " ".join(f"{worker.host}/{worker.pid}" for worker in each.workers),
                each.error,
            )
            for each in found
        ]
        for one in consumers:
            processes = f"{one.processes} process(es)" if one.processes else ""
            rows.append((one.name, "consumer", one.state, None, None, one.parked, None, processes, one.error))
        print_table(columns, rows, empty="The application has no subscriptions.")
        return 0

    run(work)


def health(app: AppOption = None, as_json: JsonOption = False) -> None:
    """Report problems. The exit code is 1 if there are some."""

    async def work() -> int:
        try:
            async with entered(app) as application:
                found = await application.health()
        except (TransientFailure, StorageError) as error:
            found = Health.of_failure(error)
        _print_health(found, as_json)
        return 0 if found.healthy else FINDING

    run(work)


def rebuild(
    projection: Annotated[str, typer.Argument(help="The name of a projection.")],
    app: AppOption = None,
    restart: Annotated[bool, typer.Option(help="Start again from the beginning of the event log.")] = False,
) -> None:
    """Rebuild a projection's rows from the event log, beside the current rows, and swap them in one step.

    An interrupted rebuild is continued by the next call.
    """

    async def work() -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        async with entered(app) as application:
            with Progress(*columns, console=Console(stderr=True)) as bar:
                task = bar.add_task(projection, total=None)
                await application.operations.rebuild(
                    projection,
                    restart=restart,
                    progress=lambda position, head: bar.update(task, completed=position, total=head),
                )
        say(f"{projection} was rebuilt.")

    run(work)


def realign(
    projection: Annotated[
        str | None, typer.Argument(help="A projection; by default, all whose last events the event log has lost.")
    ] = None,
    app: AppOption = None,
) -> None:
    """Rebuild projections after the event log has lost its last events, and drop the cached answers of lost events."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.realign(projection)
        say(
            f"Repaired: {', '.join(found)}."
            if found
            else "No projection has read an event that the event log has lost."
        )

    run(work)


def replay(
    subscription: Annotated[str, typer.Argument(help="The name of an event handler or a relay.")],
    after: Annotated[str, typer.Option(help="A position, or a time with its zone such as 2026-11-30T12:00:00+00:00.")],
    app: AppOption = None,
    yes: YesOption = False,
) -> None:
    """Let an event handler or a relay continue after a position or a time. Side effects of later events run again."""

    async def work() -> None:
        point = _point(after)
        async with entered(app) as application:
            confirmed(f"Handle every event of {subscription} after {after} again?", yes)
            position = await application.operations.replay(subscription, after=point)
        say(f"{subscription} continues after position {position}.")

    run(work)


def pause(
    subscription: Pausable,
    app: AppOption = None,
    reason: Annotated[str, typer.Option(help="Why, for the next operator.")] = "",
) -> None:
    """Pause a subscription or a consumer in every process, until it is resumed, also after restarts."""

    async def work() -> None:
        async with entered(app) as application:
            await application.operations.pause(subscription, reason=reason)
        say(f"{subscription} is paused. Resume it with `twofold resume {subscription}`.")

    run(work)


def resume(subscription: Pausable, app: AppOption = None) -> None:
    """Resume a paused subscription or consumer. It continues where it has stopped."""

    async def work() -> None:
        async with entered(app) as application:
            paused = await application.operations.resume(subscription)
        say(f"{subscription} is resumed." if paused else f"{subscription} was not paused.")

    run(work)


def _in_words(problem: Problem) -> str:
    return f"{problem.sentence} {problem.command_advice}"


def _print_health(health: Health, as_json: bool) -> None:
    if as_json:
        print_json({"healthy": health.healthy, "problems": health.problems, "notes": health.notes})
        return
    for problem in health.problems:
        say(_in_words(problem), style="red")
    for note in health.notes:
        say(_in_words(note), style="yellow")
    say("healthy" if health.healthy else f"{len(health.problems)} problem(s) found")


def _point(text: str) -> int | datetime:
    """Return a position or a time."""
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(
            f"cannot read {text!r}: pass a position, or a time with its zone such as 2026-11-30T12:00:00+00:00.", code=2
        ) from error
