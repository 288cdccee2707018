"""Commands about the tags of events: tags fill."""

from __future__ import annotations

from typing import Annotated

import typer

from ._output import run, say
from ._target import AppOption, entered

tags = typer.Typer(help="Fill the tags of stored events.", no_args_is_help=True)


@tags.command()
def fill(
    app: AppOption = None,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="The number of events of one transaction.")] = 500,
) -> None:
    """Add the tags of events that were stored before their class declared them.

    Run it when every process has the release that declares the tags. An interrupted call is continued by the next.
    """

    async def work() -> None:
        async with entered(app) as application:
            done = await application.operations.fill_tags(batch=batch)
        say(f"The tags of {done} event(s) were filled." if done else "All tags are complete.")

    run(work)


@tags.callback()
def _group() -> None:
    """Fill the tags of stored events."""
