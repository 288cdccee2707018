"""Commands about parked messages of other applications: messages list, show, retry, discard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from shlex import quote
from typing import Annotated

import typer

from twofold import ParkedMessage

from ._output import FINDING, Failure, JsonOption, YesOption, confirmed, print_json, print_table, run, say
from ._target import AppOption, entered

messages = typer.Typer(
    help="Show and repair parked messages of other applications, which could not be recorded.", no_args_is_help=True
)

Consumer = Annotated[str, typer.Argument(help="The name of a consumer, such as depot.shop.")]
Id = Annotated[str, typer.Argument(help="The id of the message, as `twofold messages list` shows it.")]
Ids = Annotated[list[str] | None, typer.Argument(help="The ids of the messages.", metavar="[ID]...")]
Every = Annotated[bool, typer.Option("--all", help="All parked messages of the consumer.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the messages, and change nothing.")]


@messages.command("list")
def list_messages(
    consumer: Annotated[str | None, typer.Argument(help="The name of a consumer; all by default.")] = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """List parked messages with the reasons. The exit code is 1 if there are some."""

    async def work() -> int:
        found: list[ParkedMessage] = []
        async with entered(app) as application:
            names = [each.name for each in await application.operations.consumers()] if consumer is None else [consumer]
            for name in names:
                found += await application.operations.parked_messages(name)
        if as_json:
            print_json(found)
            return FINDING if found else 0
        print_table(
            ("consumer", "id", "topic", "key", "bytes", "reason"),
            [(each.consumer, each.id, each.topic, each.key, each.size, each.reason) for each in found],
            empty="No message is parked.",
        )
        if found:
            say("Show one: twofold messages show CONSUMER ID. Correct the cause, and then retry or discard.")
        return FINDING if found else 0

    run(work)


@messages.command()
def show(consumer: Consumer, message_id: Id, app: AppOption = None, as_json: JsonOption = False) -> None:
    """Show the messages with an id: reason, and content with secrets masked."""

    async def work() -> None:
        async with entered(app) as application:
            found = await application.operations.parked_messages(consumer, message_id=message_id)
        if not found:
            raise _absent(consumer, [message_id])
        if as_json:
            print_json(found)
            return
        for each in found:
            for name, value in asdict(each).items():
                if name != "content":
                    say(f"{name}: {'' if value is None else value}".rstrip(" "))
            if each.content is None:
                say("content: not JSON")
            else:
                say("content:")
                print_json(each.content)

    run(work)


@messages.command()
def retry(
    consumer: Consumer, ids: Ids = None, app: AppOption = None, every: Every = False, dry_run: DryRun = False
) -> None:
    """Deliver parked messages to their consumer again. A message that fails again is parked again."""

    async def work() -> None:
        async with entered(app) as application:
            chosen = _chosen(consumer, await application.operations.parked_messages(consumer), ids or (), every)
            if dry_run:
                return
            number = await application.operations.retry_messages(consumer, chosen)
        say(f"{number} message(s) are delivered again. Check the result: twofold messages list {quote(consumer)}")

    run(work)


@messages.command()
def discard(
    consumer: Consumer,
    ids: Ids = None,
    app: AppOption = None,
    every: Every = False,
    yes: YesOption = False,
    dry_run: DryRun = False,
) -> None:
    """Delete parked messages permanently. Their events are never recorded here."""

    async def work() -> None:
        async with entered(app) as application:
            chosen = _chosen(consumer, await application.operations.parked_messages(consumer), ids or (), every)
            if dry_run:
                return
            confirmed(f"Discard the parked messages with {len(chosen)} id(s)?", yes)
            number = await application.operations.discard_messages(consumer, chosen)
        say(f"{number} message(s) were discarded.")

    run(work)


def _chosen(consumer: str, parked: Sequence[ParkedMessage], ids: Sequence[str], every: bool) -> Sequence[str]:
    """Print the chosen messages, and return their ids.

    Raises:
        Failure: neither or both of ids and --all were given, or an id is not parked.
    """
    if every == bool(ids):
        raise Failure("name the ids of messages, or pass --all, and not both.", code=2)
    known = {each.id for each in parked}
    if absent := [each for each in ids if each not in known]:
        raise _absent(consumer, absent)
    chosen = known if every else set(ids)
    for each in parked:
        if each.id in chosen:
            say(f"{each.topic} {each.id}: {each.reason}")
    return sorted(chosen)


def _absent(consumer: str, ids: Sequence[str]) -> Failure:
    return Failure(
        f"no message of {consumer} with the id {', '.join(map(repr, ids))} is parked. It was retried or discarded, or the "
        f"id is wrong. List them: twofold messages list {quote(consumer)}"
    )
