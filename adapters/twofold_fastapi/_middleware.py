"""The ASGI middleware that gives requests their context, and responses their consistency token."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._context import Installation, enter, leave
from ._headers import CONSISTENCY_TOKEN


class TwofoldMiddleware:
    """Add the context to requests, and the header of the consistency token to their responses, also to those of errors.

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

        async def send_with_token(message: Message) -> None:
            if message["type"] == "http.response.start" and (token := context.token()):
                MutableHeaders(scope=message)[CONSISTENCY_TOKEN] = token
            await send(message)

        try:
            await self._app(scope, receive, send_with_token)
        finally:
            leave(scope, outer)
