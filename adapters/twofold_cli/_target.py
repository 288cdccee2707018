"""Find the application that the command line works on."""

from __future__ import annotations

import inspect
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from twofold import Application

from ._output import Failure

AppOption = Annotated[
    str | None,
    typer.Option(
        "--app",
        envvar="TWOFOLD_APP",
        metavar="MODULE:ATTRIBUTE",
        help="The application, or a function that returns it. By default, tool.twofold.app in pyproject.toml.",
    ),
]


def load(target: str | None) -> Any:
    """Return the object that a target names. Modules are also found in the current folder.

    Raises:
        Failure: no target is given, or it cannot be imported, or the module has no such attribute.
    """
    found = target or _configured()
    if found is None:
        raise Failure(
            'no application is given. Pass --app module:attribute, set TWOFOLD_APP, or write app = "module:attribute" '
            "under [tool.twofold] in pyproject.toml.",
            code=2,
        )
    module, _, attribute = found.partition(":")
    if not module or not attribute:
        raise Failure(f"cannot read the application {found!r}: write module:attribute, such as shop.main:app.", code=2)
    sys.path.insert(0, str(Path.cwd()))
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise Failure(
            f"cannot import {module!r}: there is no such module. Call twofold in the project's folder.", code=2
        ) from error
    for name in attribute.split("."):
        if not hasattr(loaded, name):
            raise Failure(f"cannot find {attribute!r} in {module}: the module has no such attribute.", code=2)
        loaded = getattr(loaded, name)
    return loaded


@asynccontextmanager
async def opened(target: str | None) -> AsyncIterator[Application]:
    """Give the application without entering it.

    A target is an application, or a function that returns an application, an awaitable of one, or an async context manager
    that gives one.

    Raises:
        Failure: the target is something else.
    """
    found = load(target)
    if not isinstance(found, Application) and callable(found):
        found = found()
    if inspect.isawaitable(found):
        found = await found
    if isinstance(found, AbstractAsyncContextManager) and not isinstance(found, Application):
        async with found as application:
            yield _checked(application)
        return
    yield _checked(found)


@asynccontextmanager
async def entered(target: str | None, *, work: bool = False) -> AsyncIterator[Application]:
    """Give the application, entered. Without work it runs no subscription, whatever it is configured for."""
    async with opened(target) as application:
        application.work = work
        async with application:
            yield application


def _checked(found: object) -> Application:
    if isinstance(found, Application):
        return found
    raise Failure(
        f"the target is a {type(found).__name__}, not an Application nor a function that returns one.", code=2
    )


def _configured() -> str | None:
    """Return the target in the pyproject.toml of this folder, or of the nearest folder above that has one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            found = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("twofold", {}).get("app")
            return found if isinstance(found, str) else None
    return None
