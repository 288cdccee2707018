"""Create the web application of a console."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twofold import Application
from twofold.errors import ConfigurationError, TwofoldError

from . import _events, _login, _messages, _operating, _overview, _parked, _processes, _topology
from ._access import HEADERS, Access, Sessions, read_form
from ._render import Console, bare_page, console_of
from ._samples import LONGEST_WAIT, Samples
from ._settings import Settings

_Change: TypeAlias = Callable[[Request, Mapping[str, str]], Awaitable[Response]]

_Page: TypeAlias = Callable[[Request], Awaitable[Response]]

_PAGES: Mapping[str, _Page] = {
    "/": _overview.overview,
    "/subscription": _overview.subscription,
    "/topology": _topology.topology,
    "/parked": _parked.parked,
    "/parked/event": _parked.parked_event,
    "/messages": _messages.messages,
    "/events": _events.events,
    "/path": _events.path,
    "/processes": _processes.processes,
    "/schedule": _operating.schedule,
    "/caches": _operating.caches,
    "/workers": _operating.workers,
    "/login": _login.show_login,
}
_CHANGES: Mapping[str, _Change] = {
    "/pause": _overview.pause,
    "/resume": _overview.resume,
    "/parked/edit": _parked.edit,
    "/parked/retry": _parked.retry,
    "/parked/discard": _parked.discard,
    "/messages/pause": _messages.pause,
    "/messages/resume": _messages.resume,
    "/messages/retry": _messages.retry,
    "/messages/discard": _messages.discard,
    "/processes/retry": _processes.retry,
    "/schedule/retry": _operating.retry_scheduled,
    "/login": _login.login,
    "/logout": _login.logout,
}


def create_console(
    application: Application,
    *,
    services: Sequence[Application] = (),
    token: str | None = None,
    read_only: bool = False,
    hosts: Sequence[str] = (),
) -> Starlette:
    """Return the console of a running application: a web application for a server, or to mount in another one.

        api.mount("/console", create_console(application, token=os.environ["CONSOLE_TOKEN"]))

    Without a token, only browsers on the same machine are served. The caller enters the applications, and exits them.

    Args:
        application: the application that the console shows and repairs. It must be running when pages are opened.
        services: other running applications, whose events are part of the path of a message.
        token: the token that people sign in with, at least 20 characters.
        read_only: refuse every change.
        hosts: the host names, without ports, by which browsers call the console. By default, those of the loopback
            interface without a token, and all with a token.

    Raises:
        ConfigurationError: the token is too short, or hosts other than the loopback interface are named without a token.
    """
    for each in (application, *services):
        if not isinstance(each, Application):
            raise ConfigurationError(f"create_console({each!r:.80}): pass an Application.")
    settings, sessions = Settings(token=token, read_only=read_only, hosts=hosts), Sessions()
    console = Console(application, tuple(services), settings, Samples(application))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(console.samples.run)
            yield
            tasks.cancel_scope.cancel()

    handlers: Any = {
        404: _not_found,
        LookupError: _not_found,
        ValueError: _wrong,
        TwofoldError: _unavailable,
        TimeoutError: _silent,
        Exception: _defective,
    }
    web = Starlette(
        routes=[
            *(Route(path, _in_time(endpoint), methods=["GET"]) for path, endpoint in _PAGES.items()),
            *(Route(path, _checked(change), methods=["POST"]) for path, change in _CHANGES.items()),
            Mount("/static", StaticFiles(packages=[("twofold_console", "static")])),
        ],
        middleware=[Middleware(Access, settings=settings, sessions=sessions)],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    web.state.console, web.state.sessions = console, sessions
    return web


def _in_time(endpoint: _Page) -> _Page:
    """Return an endpoint that does not wait for a silent store without an end."""

    async def bounded(request: Request) -> Response:
        with anyio.fail_after(LONGEST_WAIT):
            return await endpoint(request)

    return bounded


def _checked(change: _Change) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls a change only with a form from a page of the session."""

    @_in_time
    async def endpoint(request: Request) -> Response:
        form = await read_form(request, console_of(request).settings)
        return form if isinstance(form, Response) else await change(request, form)

    return endpoint


async def _not_found(request: Request, error: Exception) -> Response:
    if isinstance(error, KeyError | IndexError):
        raise error  # a defect, not an answer of an operation
    text = str(error) if isinstance(error, LookupError) else "There is no such page."
    return _failed(request, 404, "Not found", text)


async def _wrong(request: Request, error: Exception) -> Response:
    return _failed(request, 400, "The request cannot be used", str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    return _failed(request, 503, "The application does not answer", str(error))


async def _silent(request: Request, error: Exception) -> Response:
    text = f"The stores have not answered within {LONGEST_WAIT:g} seconds."
    if request.method != "GET":
        text += " Check whether the change took effect before you repeat it."
    return _failed(request, 503, "The application does not answer", text)


async def _defective(request: Request, error: Exception) -> Response:
    text = "This is a defect of the console or of an adapter. The log of the console has the traceback."
    response = _failed(request, 500, "The page cannot be shown", text)
    response.headers.update(HEADERS)  # Starlette answers with it outside of every middleware
    return response


def _failed(request: Request, status: int, title: str, text: str) -> Response:
    return bare_page(request, "failed.html", code=status, title=title, text=text, current="", notice=None, sample=None)
