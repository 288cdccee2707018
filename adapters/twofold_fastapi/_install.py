"""Install a Twofold application in a web application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette

from twofold import Application
from twofold.errors import ConfigurationError

from ._accepted import Accepted, answer_accepted
from ._context import HeadersOf, Installation, TenantOf
from ._middleware import TwofoldMiddleware
from ._openapi import describe_in_openapi
from ._probes import probes as probe_routes
from ._problems import KNOWN, HttpProblem, ProblemOf
from ._responses import answer, answer_unknown

OpenApplication = Callable[[], AbstractAsyncContextManager[Application]]
"""Returns a context manager that yields a running application, such as a function with `asynccontextmanager`."""


def install(
    api: Starlette,
    application: Application | OpenApplication,
    *,
    tenant: TenantOf | None = None,
    headers: HeadersOf | None = None,
    errors: Mapping[type[Exception], ProblemOf] | None = None,
    probes: bool = True,
) -> None:
    """Install an application in a web application of FastAPI or Starlette.

        api = FastAPI()
        install(api, application)

        @api.post("/orders", status_code=201)
        async def place_order(order: PlaceOrder, session: SessionDep, key: IdempotencyKeyDep) -> str:
            return await session.dispatch(order, idempotency_key=key)

    The lifespan of the web application starts and stops the application, around the lifespan of your own. Routes get a
    session with `SessionDep`. A response carries the consistency token of the session that the request opened. Errors become
    problem details (RFC 9457), and OpenAPI describes them. An exception handler of your own for a more specific class takes
    precedence.

    A mounted web application handles its own errors, so install the application in it as well. The lifespan of the outer one
    starts the application.

    Args:
        api: the web application. Call this before it serves requests.
        application: the application, or a function that returns a context manager, which yields a running application. Use
            a function to open and close engines and clients around it.
        tenant: returns the tenant of a request, for example from a verified access token. It may be async.
        headers: returns further metadata of a request, which is stored with its messages. It may be async.
        errors: the problems of your own errors: an HTTP status, with the text of the error as the detail, or a function that
            returns an `HttpProblem`. The most specific class counts. These take precedence over Twofold's own table.
        probes: whether to add `/livez`, which always answers, and `/readyz`, which answers 503 unless the application runs
            and its stores answer.

    Raises:
        ConfigurationError: an argument has the wrong type, or an application is installed here already.
    """
    _check(api, application, tenant=tenant, headers=headers)
    opens = None if isinstance(application, Application) else application
    installation = Installation(
        application if isinstance(application, Application) else None, tenant, headers, dict(errors or {})
    )
    api.state.twofold = installation
    _start_with(api, installation, opens)
    _wrap(api, installation)
    handler: Any = answer  # of requests and websockets; the types of Starlette know handlers of one kind only
    for error in {*KNOWN, HttpProblem, *installation.problems} - {Exception}:
        api.add_exception_handler(error, handler)
    api.add_exception_handler(Accepted, answer_accepted)
    if not {500, Exception} & set(api.exception_handlers):
        api.add_exception_handler(Exception, answer_unknown)
    if probes:
        api.router.routes.extend(probe_routes())
    if isinstance(api, FastAPI):
        describe_in_openapi(api)


def _check(api: object, application: object, **functions: object) -> None:
    if not isinstance(api, Starlette):
        raise ConfigurationError(
            f"install(api={type(api).__name__}): api must be an application of FastAPI or Starlette. For an APIRouter, "
            "install in the application that includes it."
        )
    if hasattr(api.state, "twofold"):
        raise ConfigurationError("install: an application is installed in this web application already.")
    if api.middleware_stack is not None:
        raise ConfigurationError("install: the web application has started. Call install when you create it.")
    for name, value in {"application": application, **functions}.items():
        if not (callable(value) or isinstance(value, Application) or (name != "application" and value is None)):
            raise ConfigurationError(f"install({name}={type(value).__name__}): {name} must be a function.")


def _wrap(api: Starlette, installation: Installation) -> None:
    """Put the middleware around all others, also those that are added later, and around the handler of unknown errors."""
    build = api.build_middleware_stack
    api.build_middleware_stack = lambda: TwofoldMiddleware(build(), installation)  # type: ignore[method-assign]


def _start_with(api: Starlette, installation: Installation, opens: OpenApplication | None) -> None:
    """Start the application with the lifespan of a web application, around the lifespan that it has."""
    own: Callable[[Any], AbstractAsyncContextManager[Any]] = api.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            if opens is not None:
                installation.application = await stack.enter_async_context(opens())
                stack.callback(setattr, installation, "application", None)
            elif installation.application is not None:
                await stack.enter_async_context(installation.application)
            yield await stack.enter_async_context(own(started))

    api.router.lifespan_context = lifespan
