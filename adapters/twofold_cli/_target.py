"""Find the application that the command line works on."""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import tomllib
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from twofold import Application

from ._output import Failure

STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop a process."""

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
    if not attribute or not all(part.isidentifier() for part in module.split(".")):
        raise Failure(f"cannot read the application {found!r}: write module:attribute, such as shop.main:app.", code=2)
    sys.path.insert(0, str(Path.cwd()))
    try:
        with _users_code(f"import {module!r}", module):
            loaded = import_module(module)
    except ModuleNotFoundError as error:
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
        with _users_code("call the function of --app"):
            found = found()
    if inspect.isawaitable(found):
        with _users_code("await the function of --app"):
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


@contextmanager
def _users_code(attempt: str, module: str = "") -> Iterator[None]:
    """Run code of the user's module. Ctrl+C interrupts it, other signals end the process, and its errors have a traceback.

    Raises:
        ModuleNotFoundError: the module that is imported does not exist.
        Failure: the code fails, or exits.
    """
    before = {number: signal.getsignal(number) for number in STOPS}
    main = None not in before.values() and threading.current_thread() is threading.main_thread()
    if main:  # asyncio would wait for the end of the import
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    try:
        yield
    except SystemExit as error:
        raise Failure(f"cannot {attempt}: the code exits with {error.code!r}.") from error
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise
        traceback.print_exc()
        raise Failure(f"cannot {attempt}: {type(error).__name__}: {error}") from error
    finally:
        if main:
            for number, handler in before.items():
                signal.signal(number, handler)


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
