"""The context of a request: the application, and the sessions that were opened for the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import anyio
from starlette.requests import HTTPConnection
from starlette.types import Scope

from twofold import Application, Session
from twofold.errors import ConfigurationError

from ._headers import token_of, trace_of
from ._problems import HttpProblem, ProblemOf, problem_of

_KEY = "twofold_fastapi"
"""The key of the context in the scope of a request."""

TenantOf = Callable[[HTTPConnection], "str | Awaitable[str | None] | None"]
"""Returns the tenant of a request."""

HeadersOf = Callable[[HTTPConnection], "Mapping[str, str] | Awaitable[Mapping[str, str]]"]
"""Returns the metadata that is stored with the messages of a request."""


@dataclass(slots=True)
class Installation:
    """The arguments of `install`.

    Attributes:
        application: the application; None until the lifespan has started, if the lifespan creates it.
        tenant: returns the tenant of a request.
        headers: returns further metadata of a request.
        problems: the problems of the user's errors.
    """

    application: Application | None
    tenant: TenantOf | None = None
    headers: HeadersOf | None = None
    problems: Mapping[type[Exception], ProblemOf] = field(default_factory=dict)

    def running(self) -> Application:
        """Return the application.

        Raises:
            ConfigurationError: the lifespan has not created it yet.
        """
        if self.application is None:
            raise ConfigurationError(
                "the lifespan of the web application has not started, so there is no application yet. Run the lifespan: "
                "start a server, or use the test client as a context manager (`with TestClient(api) as client:`)."
            )
        return self.application


@dataclass(slots=True)
class Context:
    """The context of one request.

    Attributes:
        installation: the arguments of `install`.
        sessions: the sessions of the request, by the ids of their tasks. A middleware may run the endpoint in another task.
    """

    installation: Installation
    sessions: dict[int, Session] = field(default_factory=dict)

    async def session(self, request: HTTPConnection) -> Session:
        """Return the session of the request for the current task. It sees the writes of earlier sessions of the request."""
        task = anyio.get_current_task().id
        if task not in self.sessions:
            given, application = self.installation, self.installation.running()
            token = self.token() or token_of(request.headers)
            tenant = None if given.tenant is None else await _value(given.tenant(request))
            headers = None if given.headers is None else await _value(given.headers(request))
            self.sessions[task] = application.session(
                token, tenant=tenant, trace=trace_of(request.headers), headers=headers
            )
        return self.sessions[task]

    def token(self) -> str:
        """Return the consistency token of all sessions of the request; empty when none wrote or got a token."""
        tokens = {session.token for session in self.sessions.values()} - {""}
        if len(tokens) < 2:
            return "".join(tokens)
        return self.installation.running().session(".".join(sorted(tokens))).token

    def problem(self, error: BaseException) -> HttpProblem:
        """Return the problem of an error."""
        return problem_of(error, self.installation.problems)


async def _value(found: Any) -> Any:
    """Return a value, or the result of an awaitable."""
    return await found if isinstance(found, Awaitable) else found


def enter(scope: Scope, installation: Installation) -> tuple[Context, Context | None]:
    """Begin the context of a request. Return it, and that of the web application around this one."""
    outer: Context | None = scope.get(_KEY)
    context = scope[_KEY] = Context(installation)
    return context, outer


def leave(scope: Scope, outer: Context | None) -> None:
    """End the context of a request."""
    scope[_KEY] = outer


def context_of(scope: Scope) -> Context:
    """Return the context of a request.

    Raises:
        ConfigurationError: `install` was not called for the web application.
    """
    context: Context | None = scope.get(_KEY)
    if context is None:
        raise ConfigurationError(
            "this web application has no Twofold application. Call twofold_fastapi.install(api, application) when you "
            "create it."
        )
    return context


def instance_of(scope: Scope) -> str:
    """Return the path of a request, as a URI reference."""
    return quote(scope.get("path", ""), safe="/:@!$&'()*+,;=-._~")
