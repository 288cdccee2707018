"""Dependencies of routes: the application, the session and the idempotency key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import HTTPConnection

from twofold import Application, Session

from ._context import context_of
from ._headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY, key_of
from ._openapi import REQUIRED
from ._problems import TYPES, HttpProblem

_TokenHeader = Annotated[
    str | None,
    Header(
        alias=CONSISTENCY_TOKEN,
        description=f"The {CONSISTENCY_TOKEN} of an earlier response. The answer contains the changes that it names.",
    ),
]
_KEY = "A text of the client's choice, new for each intent. A repetition with the same key takes effect once."

_KeyHeader = Annotated[str | None, Header(alias=IDEMPOTENCY_KEY, description=_KEY)]

_RequiredKeyHeader = Annotated[
    str | None, Header(alias=IDEMPOTENCY_KEY, description=_KEY, json_schema_extra={REQUIRED: True})
]


async def get_application(request: HTTPConnection) -> Application:
    """Return the application of the request. In a FastAPI route, use `ApplicationDep`."""
    return context_of(request.scope).installation.running()


async def get_session(request: HTTPConnection, token: _TokenHeader = None) -> Session:
    """Return the session of the request. In a FastAPI route, use `SessionDep`; in a Starlette endpoint, await this function.

    The session sees the writes that the header `Consistency-Token` names, and carries the tenant, the trace context and the
    metadata of the request. The response carries the token of the session. Each call during a request returns the same
    session.

    Args:
        request: the request or websocket.
        token: declares the header for OpenAPI; it is read from the request.

    Raises:
        InvalidInput: the token, the tenant or the metadata are not valid. The answer is a 400.
        ForeignLog: the token belongs to another log. The answer is a 400.
        ConfigurationError: `install` was not called, or the lifespan does not run.
    """
    return await context_of(request.scope).session(request)


async def get_idempotency_key(request: HTTPConnection, key: _KeyHeader = None) -> str | None:
    """Return the header `Idempotency-Key`, or None. In a FastAPI route, use `IdempotencyKeyDep`.

    Args:
        request: the request or websocket.
        key: declares the header for OpenAPI; it is read from the request.

    Raises:
        InvalidKey: the key is empty, too long, or not printable ASCII, or there are several. The answer is a 400.
    """
    return key_of(request.headers)


async def require_idempotency_key(request: HTTPConnection, key: _RequiredKeyHeader = None) -> str:
    """Return the header `Idempotency-Key`. In a FastAPI route, use `RequiredIdempotencyKeyDep`.

    Args:
        request: the request or websocket.
        key: declares the header for OpenAPI; it is read from the request.

    Raises:
        InvalidKey: see `get_idempotency_key`.
        HttpProblem: the request has no key. The answer is a 400.
    """
    found = key_of(request.headers)
    if found is None:
        raise HttpProblem(
            400,
            f"This request needs the header {IDEMPOTENCY_KEY}. Choose a new text, such as a UUID, and repeat it on retries.",
            type=TYPES + "missing-idempotency-key",
            title="Missing idempotency key",
        )
    return found


ApplicationDep = Annotated[Application, Depends(get_application)]
"""A parameter of a route: the application."""

SessionDep = Annotated[Session, Depends(get_session)]
"""A parameter of a route: the session of the request."""

IdempotencyKeyDep = Annotated[str | None, Depends(get_idempotency_key)]
"""A parameter of a route: the idempotency key of the request, or None."""

RequiredIdempotencyKeyDep = Annotated[str, Depends(require_idempotency_key)]
"""A parameter of a route: the idempotency key of the request, which must have one."""
