"""Commands that read the event log: events, path, lost."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from twofold import EventRecord, PathNode

from ._output import FINDING, JsonOption, YesOption, confirmed, print_json, print_table, run, say
from ._target import AppOption, entered

Stream = Annotated[str | None, typer.Option(help="Only events of this stream.")]
Type = Annotated[list[str] | None, typer.Option("--type", help="Only events with this wire name; may be repeated.")]
Correlation = Annotated[UUID | None, typer.Option("--correlation-id", help="Only events of this interaction.")]
Time = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="A time with its zone.")]


_COLUMNS = ("position", "time", "stream", "version", "event", "correlation id", "payload")


def events(
    app: AppOption = None,
    stream: Stream = None,
    types: Type = None,
    correlation_id: Correlation = None,
    since: Time = None,
    until: Time = None,
    after: Annotated[int | None, typer.Option(min=0, help="Only events after this position.")] = None,
    before: Annotated[int | None, typer.Option(min=0, help="Only events before this position.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The maximum number of events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new events, until Ctrl+C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the last events of the log, the newest at the end, with secrets masked.

    With --follow --json, each event is one line.
    """

    async def work() -> None:
        names = types or ()
        async with entered(app) as application:
            operations = application.operations
            if follow:
                found = operations.follow(stream=stream, types=names, correlation_id=correlation_id, after=after)
                await _print_all(found, as_json)
                return
            page = await operations.events(
                stream=stream,
                types=names,
                correlation_id=correlation_id,
                since=since,
                until=until,
                after=after or 0,
                before=before,
                limit=limit,
                newest_first=True,
            )
        if as_json:
            print_json({"events": page.events[::-1], "before": page.next})
            return
        print_table(_COLUMNS, [_row(each) for each in page.events[::-1]], empty="No event was found.")
        if page.next is not None:
            say(f"Earlier events: --before {page.next}")

    run(work)


def path(
    correlation_id: Annotated[UUID, typer.Argument(help="The correlation id, as `twofold events` shows it.")],
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one interaction as a tree: its commands, their events, and what handled them.

    The exit code is 1 if no message was found.
    """

    async def work() -> int:
        async with entered(app) as application:
            found = await application.operations.path(correlation_id)
        if as_json:
            print_json(found)
        for root in () if as_json else found.roots:
            _print_tree(root, 0)
        if not found.roots and not as_json:
            say("No event of this correlation id was found.")
        return 0 if found.roots else FINDING

    run(work)


def lost(
    consumer: Annotated[str, typer.Argument(help="A consumer, as `twofold health` shows it, such as depot.shop.")],
    app: AppOption = None,
    accept: Annotated[bool, typer.Option("--accept", help="Accept the loss, so that health is clean again.")] = False,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Show the events of another application that its event log has lost and that are recorded here."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.lost_events(consumer)
            if as_json:
                print_json(found)
            else:
                print_table(_COLUMNS, [_row(each) for each in found], empty="No event is lost.")
            if accept and found:
                confirmed(f"Accept the loss of {len(found)} event(s)?", yes)
            if accept and await application.operations.accept_loss(consumer) and not as_json:
                say(f"The loss is accepted. The events stay in the log of {application.name}.")

    run(work)


async def _print_all(found: AsyncGenerator[EventRecord], as_json: bool) -> None:
    async with aclosing(found) as records:
        async for record in records:
            if as_json:
                print_json(record, indent=None)
            else:
                say("  ".join(str(each) for each in _row(record)))


def _row(record: EventRecord) -> tuple[object, ...]:
    time = record.time.isoformat(timespec="milliseconds")
    payload = json.dumps(record.payload, default=str, ensure_ascii=False)
    return str(record.position), time, record.stream, record.version, record.name, record.correlation_id, payload


def _print_tree(node: PathNode, depth: int) -> None:
    event, indent = node.event, "  " * depth
    where = "" if event is None else f" in {event.stream}, position {event.position}, {event.time.isoformat()}"
    say(f"{indent}{node.name or 'an unknown message'} {node.id}{where}")
    for each in node.handlers:
        reason = f": {each.reason}" if each.reason else ""
        say(f"{indent}  - {each.kind.replace('_', ' ')} {each.subscription}: {each.state}{reason}")
    for child in node.children:
        _print_tree(child, depth + 1)
