"""The command that serves the console: console."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ._output import Failure, run, say
from ._target import AppOption, entered


def console(
    app: AppOption = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:ATTRIBUTE", help="Another application, for the path of a message. Repeatable."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Another one than 127.0.0.1 demands a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")] = 8025,
    token_file: Annotated[
        Path | None, typer.Option(help="The file with the token to sign in with. By default, TWOFOLD_CONSOLE_TOKEN.")
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="TWOFOLD_CONSOLE_TOKEN", hidden=True, show_default=False)] = None,
    host_name: Annotated[
        list[str] | None, typer.Option(help="A name by which browsers call the console. Repeatable; any by default.")
    ] = None,
    read_only: Annotated[bool, typer.Option(help="Refuse every change.")] = False,
) -> None:
    """Serve a console in the browser: subscriptions, parked events, the event log, schedule, caches and workers."""

    async def work() -> None:
        secret = token
        if token_file is not None:
            if not token_file.is_file():
                raise Failure(f"cannot read the token: there is no file {str(token_file)!r}.", code=2)
            secret = token_file.read_text("utf-8").strip()
        # By its name, so that neither package needs the other to be imported.
        serve = import_module("twofold_console").serve
        async with AsyncExitStack() as stack:
            application = await stack.enter_async_context(entered(app))
            others = [await stack.enter_async_context(entered(each)) for each in service or ()]
            await serve(
                application, services=others, host=host, port=port, token=secret, read_only=read_only,
                hosts=host_name or (), started=lambda url: say(f"{application.name}: the console is at {url}"),
            )  # fmt: skip

    run(work)
