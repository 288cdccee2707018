"""The ASGI middleware that gives requests their context, and responses their consistency token."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._context import Installation, enter, leave
from ._headers import CONSISTENCY_TOKEN
from ._problems import HttpProblem
from ._responses import problem_response

_LIMIT: Final = "starlette.max_body_size"
"""The entry of the scope with the limit. Starlette has it since `max_body_size` exists."""

_TOO_LARGE: Final = 413
_REFUSAL: Final = b"Content Too Large"
"""The body with which Starlette refuses a large request."""


class TwofoldMiddleware:
    """Add the context to requests, and the header of the consistency token to their responses, also to those of errors.

    A request whose body is larger than the `max_body_size` of the web application is answered with problem details.

    Args:
        app: the ASGI application inside.
        installation: the arguments of `install`.
    """

    def __init__(self, app: ASGIApp, installation: Installation) -> None:
        self._app = app
        self._installation = installation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        context, outer = enter(scope, self._installation)

        large: Message | None = None

        async def send_with_token(message: Message) -> None:
            nonlocal large
            if message["type"] == "http.response.start":
                if token := context.token():
                    MutableHeaders(scope=message)[CONSISTENCY_TOKEN] = token
                if message["status"] == _TOO_LARGE and _LIMIT in scope:
                    large = message  # Starlette has refused the body, or the application: the next message tells
                    return
            elif large is not None:
                start, large = large, None
                if message.get("body") == _REFUSAL:
                    limit = scope[_LIMIT]
                    problem = HttpProblem(_TOO_LARGE, f"The body has more than {limit:,} bytes.")
                    await problem_response(problem, scope)(scope, receive, send)
                    return
                await send(start)
            await send(message)

        try:
            await self._app(scope, receive, send_with_token)
        finally:
            leave(scope, outer)
