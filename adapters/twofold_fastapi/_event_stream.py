"""Server-sent events for streaming queries."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

import anyio
from pydantic_core import to_json
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twofold.errors import ConfigurationError

from ._context import context_of, instance_of
from ._responses import log

_CLOSING = 10.0
"""The seconds that an interrupted query has to close its read transaction."""


class EventStream(Response):
    """A response that sends the items of a streaming query as server-sent events.

        @api.get("/sales", response_class=EventStream)
        async def sales(session: SessionDep) -> EventStream:
            return EventStream(session.stream(AllSales()))

    Each item is an event of type `message` with the item as JSON. An event `end` follows the last item, so that a client can
    close its `EventSource`, which reconnects otherwise. An error before the first item gets the usual response with problem
    details. A later error ends the stream with an event `problem`, whose data are the problem details. The query is closed
    when the client disconnects, when the server cancels the request, and at the end.

    Args:
        items: the iterator. The task of the request iterates over it, so that a session of the request can be used.
        id: returns the id of an item, which a browser sends as `Last-Event-ID` when it reconnects.
        ping: the seconds without an event after which a comment is sent, so that proxies keep the connection.
        status_code: the HTTP status.
        headers: further headers.
        background: runs after the response.

    Raises:
        ConfigurationError: `ping` is not a positive number, or `items` cannot be iterated over.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        items: AsyncIterable[Any],
        *,
        id: Callable[[Any], str] | None = None,
        ping: float = 15.0,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        if not isinstance(items, AsyncIterable):
            raise ConfigurationError(
                f"EventStream({type(items).__name__}): items must be an async iterator. Pass session.stream(query)."
            )
        if not 0 < ping < math.inf:
            raise ConfigurationError(f"EventStream(ping={ping!r:.100}): ping must be a positive number of seconds.")
        self.status_code = status_code
        self.background = background
        self._items = aiter(items)
        self._id = id
        self._ping = ping
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        wire, failure = _Wire(self, send), None
        async with anyio.create_task_group() as group:
            group.start_soon(_end_with_client, receive, group.cancel_scope)
            group.start_soon(wire.keep_alive, self._ping)
            try:
                await self._send(wire)
            except Exception as error:  # noqa: BLE001 -- of the query: it is answered below
                failure = error
            await wire.end(failure, scope)
            group.cancel_scope.cancel()
        if failure is not None and not wire.started:
            raise failure
        if self.background is not None:
            await self.background()

    async def _send(self, wire: _Wire) -> None:
        try:
            async for item in self._items:
                data = to_json(item, inf_nan_mode="null")
                await wire.event(data, id=None if self._id is None else self._id(item))
        finally:
            if (close := getattr(self._items, "aclose", None)) is not None:
                with anyio.move_on_after(_CLOSING, shield=True):
                    await close()


class _Wire:
    """The connection to the client. One task at a time sends.

    Args:
        response: the response, with its status and headers.
        send: the function of the server.
    """

    def __init__(self, response: Response, send: Send) -> None:
        self.started = False
        self._response = response
        self._send = send
        self._lock = anyio.Lock()
        self._sent = anyio.current_time()

    async def event(self, data: bytes, *, event: str = "", id: str | None = None) -> None:
        """Send an event."""
        lines = [f"event: {event}\n".encode()] if event else []
        if id is not None:
            lines.append(f"id: {_one_line(id)}\n".encode())
        await self._write(b"".join((*lines, b"data: ", data, b"\n\n")))

    async def end(self, failure: Exception | None, scope: Scope) -> None:
        """Send the last event: the end, or the problem. An error before the first event is left to the usual response."""
        if failure is None:
            await self.event(b"{}", event="end")
        elif self.started:
            problem = context_of(scope).problem(failure)
            log(scope, problem, failure)
            await self.event(to_json(problem.body(instance_of(scope))), event="problem")
        if self.started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def keep_alive(self, seconds: float) -> None:
        """Send a comment whenever nothing was sent for this time."""
        while True:
            await anyio.sleep(max(0.0, self._sent + seconds - anyio.current_time()))
            if anyio.current_time() - self._sent >= seconds:
                await self._write(b": ping\n\n")

    async def _write(self, body: bytes) -> None:
        async with self._lock:
            if not self.started:
                self.started = True
                start = {"status": self._response.status_code, "headers": self._response.raw_headers}
                await self._send({"type": "http.response.start", **start})
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            self._sent = anyio.current_time()


async def _end_with_client(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the query when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _one_line(id: str) -> str:
    if any(each in id for each in "\0\r\n"):
        raise ValueError(f"the id {id!r:.100} of an event must be one line without NUL")
    return id
