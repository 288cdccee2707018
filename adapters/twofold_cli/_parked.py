"""Commands about parked events (dead letters): parked list, show, edit, retry, discard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any
from uuid import UUID

import typer

from twofold.ports import ParkedEvent

from ._output import FINDING, Failure, JsonOption, YesOption, confirmed, print_json, print_table, run, say
from ._target import AppOption, entered

parked = typer.Typer(help="Show and repair parked events (dead letters).", no_args_is_help=True)

_ROWS = 100
"""The number of rows for each subscription that a table has by default."""

Subscription = Annotated[str, typer.Argument(help="The name of a projection, event handler or relay.")]
Key = Annotated[str, typer.Argument(help="The ordering key of the event, as `twofold parked list` shows it.")]
AnyKey = Annotated[str | None, typer.Argument(help="The ordering key of the events; all keys with --error.")]
Id = Annotated[UUID, typer.Argument(help="The id of the event, as `twofold parked list` shows it.")]
Error = Annotated[str | None, typer.Option(help="Only events that this error has parked, such as TimeoutError.")]


@parked.command("list")
def list_parked(
    subscription: Annotated[
        str | None, typer.Argument(help="The name of a projection, event handler or relay; all by default.")
    ] = None,
    app: AppOption = None,
    error: Error = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="The maximum number of events of a subscription: 100, or all with --json.", show_default=False
        ),
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=1, help="Continue after the event at this position, of one subscription.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List parked events and those that wait for a retry, with the reasons. The exit code is 1 if there are some."""

    async def work() -> int:
        if after is not None and subscription is None:
            raise Failure("name a subscription to continue after a position.", code=2)
        size = _ROWS if limit is None and not as_json else limit
        found: dict[str, Sequence[ParkedEvent]] = {}
        more: dict[str, int] = {}
        async with entered(app) as application:
            status = [each.name for each in await application.operations.status() if each.parked or each.retrying]
            for name in status if subscription is None else [subscription]:
                page = await application.operations.parked(name, error=error, after=after, limit=size and size + 1)
                found[name] = page[:size]
                if size is not None and len(page) > size:
                    more[name] = page[size - 1].event.position
        rows = [_as_json(name, each) for name, events in found.items() for each in events]
        if as_json:
            print_json(rows)
        else:
            print_table(
                ("subscription", "key", "event", "id", "position", "attempts", "retry at", "reason"),
                [tuple(row[name] for name in _SHOWN) for row in rows],
                empty="No event is parked.",
            )
        for name, position in {} if as_json else more.items():
            say(f"More events of {name}: twofold parked list {quote(name)} --after {position}")
        if rows and not as_json:
            say("Show one: twofold parked show SUBSCRIPTION KEY ID. Repair it with edit, and then retry or discard.")
        return FINDING if rows else 0

    run(work)


@parked.command()
def show(
    subscription: Subscription, key: Key, event_id: Id, app: AppOption = None, as_json: JsonOption = False
) -> None:
    """Show one event: payload with secrets masked, reason, attempts, times and the last edit."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.show(subscription, key, event_id)
        more = {"payload": found.payload, "correlation_id": found.correlation_id, "causation_id": found.causation_id}
        edit = found.parked.edit
        shown = _as_json(subscription, found.parked) | more
        shown |= {"parked_at": found.parked.time, "edit": None if edit is None else edit._asdict()}
        if as_json:
            print_json(shown)
            return
        for name, value in shown.items():
            if name not in ("payload", "edit"):
                say(f"{name.replace('_', ' ')}: {'' if value is None else value}".rstrip(" "))
        if edit is not None:
            say(f"edited: {edit.time.isoformat()} by {edit.by or 'an unnamed operator'}: {edit.reason}".rstrip(": "))
        say("payload:")
        print_json(found.payload)

    run(work)


@parked.command()
def edit(
    subscription: Subscription,
    key: Key,
    event_id: Id,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A new value, as JSON or else as a text; may be repeated."),
    ] = None,
    payload: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with all fields as JSON.")
    ] = None,
    app: AppOption = None,
    by: Annotated[str, typer.Option(help="Who edits it.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    yes: YesOption = False,
) -> None:
    """Replace the payload of one event for this subscription. The event log is not changed. Retry it afterwards."""

    async def work() -> None:
        if (payload is None) == (changes is None):
            raise Failure("pass --set FIELD=VALUE or --payload FILE, and not both.", code=2)
        new = _changed(changes or ())
        async with entered(app) as application:
            if payload is None:
                fields = {**(await application.operations.show(subscription, key, event_id)).payload, **new}
            else:
                fields = _fields(payload)
            confirmed(f"Replace the payload of {event_id} for {subscription}?", yes)
            await application.operations.edit(subscription, key, event_id, fields, by=by, reason=reason)
        say(f"The payload was replaced. Retry it with `twofold parked retry {quote(subscription)} {quote(key)}`.")

    run(work)


@parked.command()
def retry(
    subscription: Subscription,
    key: AnyKey = None,
    app: AppOption = None,
    error: Error = None,
    timeout: Annotated[float, typer.Option(min=0, help="How long to wait, in seconds.")] = 30.0,
) -> None:
    """Retry the parked events of a key, or of all keys, now and in order. A worker must run.

    The exit code is 1 if an event fails again.
    """

    async def work() -> int:
        async with entered(app) as application:
            left = await application.operations.retry(subscription, key, error=error, timeout=timeout)
        for each in left:
            if each.attempts:
                say(f"{each.event.name} {each.event.id} failed again: {each.reason}")
        if not left:
            say("The events were handled.")
        return FINDING if left else 0

    run(work)


@parked.command()
def discard(
    subscription: Subscription,
    key: AnyKey = None,
    event_id: Annotated[UUID | None, typer.Option("--id", help="Discard only this event.")] = None,
    app: AppOption = None,
    error: Error = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the events, and change nothing.")] = False,
) -> None:
    """Delete the parked events of a key, one of them, or those of an error. The subscription never handles them."""

    async def work() -> None:
        if key is None and error is None:
            raise Failure("name a key, or pass --error.", code=2)
        async with entered(app) as application:
            found = await application.operations.parked(subscription, key=key, error=error)
            chosen = [each for each in found if event_id in (None, each.event.id)]
            for each in chosen:
                say(f"{each.event.name} {each.event.id}: {each.reason}")
            if dry_run:
                return
            confirmed(f"Discard {len(chosen)} event(s)?", yes)
            gone = await application.operations.discard(subscription, key, event_id=event_id, error=error)
        say(f"{len(gone)} event(s) were discarded.")

    run(work)


_SHOWN = ("subscription", "key", "event", "id", "position", "attempts", "again", "reason")


def _changed(changes: Sequence[str]) -> dict[str, Any]:
    """Return the new values of fields."""
    fields: dict[str, Any] = {}
    for change in changes:
        field, equals, value = change.partition("=")
        if not field or not equals:
            raise Failure(f"cannot read {change!r}: write --set FIELD=VALUE.", code=2)
        try:
            fields[field] = json.loads(value)
        except ValueError:
            fields[field] = value
    return fields


def _fields(file: Path) -> Any:
    try:
        fields = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise Failure(f"cannot read {file} as JSON: {error}.", code=2) from error
    if not isinstance(fields, dict):
        raise Failure(f"cannot read {file}: the payload must be a JSON object.", code=2)
    return fields


def _as_json(subscription: str, parked: ParkedEvent) -> dict[str, object]:
    return {
        "subscription": subscription,
        "key": parked.key,
        "event": parked.event.name,
        "id": parked.event.id,
        "position": parked.event.position,
        "stream": parked.event.stream,
        "attempts": parked.attempts,
        "again": parked.again,
        "reason": parked.reason,
    }
