"""Requests to the application of another process, and their replies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeVar

from .._background.clock import UuidV7
from .._background.shown import shown_option
from .._definitions.message import Command, Query
from .._definitions.names import wrong_broker_name
from .._dispatch.caller import handling
from .._dispatch.telemetry_steps import type_name
from .._encoding.exceptions import by_name
from .._telemetry.metrics import MESSAGE_KIND, MESSAGE_TYPE, REMOTE_DURATION, SERVICE
from .._telemetry.open_telemetry import recorder_of
from .._telemetry.options import Telemetry, TelemetryOption
from .._telemetry.recorder import Recorder
from .._telemetry.spans import CALL
from ..errors import ConfigurationError, NoRemoteService, NotSent, ReadNotReady, RemoteTimeout
from ..ports.clock import Ids
from ..ports.requests import Request, Requests
from .wire import decode_reply, encode_request

R = TypeVar("R")


class RemoteClient:
    """Sends messages to a service and decodes the replies; the common base of the remote buses and sessions."""

    def __init__(
        self,
        requests: Requests,
        service: str,
        *,
        timeout: float = 10.0,
        errors: Sequence[type[Exception]] = (),
        ids: Ids | None = None,
        telemetry: Telemetry | Literal[False] | None = None,
    ) -> None:
        if wrong := wrong_broker_name(service):
            raise ConfigurationError(
                f"cannot send messages to the service {shown_option(service)}: a service has the name of its application. "
                f"{wrong}."
            )
        if not isinstance(requests, Requests):
            raise ConfigurationError(
                f"cannot send messages to {service!r} over {type(requests).__name__}: it does not carry requests. Use a "
                "transport that does, such as RabbitMQ(url). Redis Streams carry events only."
            )
        self._requests = requests
        self._service = service
        self._timeout = timeout
        self._errors = {**by_name([ReadNotReady]), **by_name(errors)}
        self._ids = ids or UuidV7()
        self._telemetry: TelemetryOption = telemetry
        self._outside: Recorder | None = None

    def _needed(self, after: str | None) -> str:
        """Return the token that a message carries: the service answers when its read models have reached the token."""
        return after or ""

    def _note(self, token: str) -> None:
        """Record the token of a reply to a command."""

    async def _ask(
        self, message: Command[Any] | Query[Any], name: str, token: str, timeout: float | None, key: str | None = None
    ) -> tuple[Any, str]:
        """Send a message; return its result, and the token of the session that handled it."""
        scope = handling()
        recorder = self._recorder() if scope is None else scope.services.recorder
        with self._recorded(recorder, message):
            cause = None if scope is None else scope.envelope
            request = Request(name, key, encode_request(message, cause, token, recorder.trace()))
            seconds = self._timeout if timeout is None else timeout
            try:
                reply = await self._requests.request(self._service, request, seconds=seconds)
            except (NoRemoteService, NotSent, RemoteTimeout) as error:
                raise _explained(error, message, self._service, seconds, name) from error
            return decode_reply(type(message), reply, self._errors)

    def _recorder(self) -> Recorder:
        """Return the recorder outside of handlers, chosen at the first request: providers may be set after `__init__`."""
        if self._outside is None:
            self._outside = recorder_of(self._telemetry, "")
        return self._outside

    def _recorded(self, recorder: Recorder, message: Command[Any] | Query[Any]) -> AbstractContextManager[object]:
        labels = recorder.attributes({SERVICE: self._service, MESSAGE_TYPE: type_name(type(message))})
        attributes = {**labels, MESSAGE_KIND: "query" if isinstance(message, Query) else "command"}
        return recorder.span(CALL, type_name(type(message)), attributes, duration=REMOTE_DURATION, labels=labels)


def _explained(
    error: NoRemoteService | NotSent | RemoteTimeout,
    message: Command[Any] | Query[Any],
    service: str,
    seconds: float,
    name: str,
) -> Exception:
    """Return the error of an adapter with a text about the message."""
    what = type(message).__name__
    if isinstance(error, NoRemoteService):
        return NoRemoteService(
            f"cannot send {what}: no application has ever served as {service!r} at this broker. Nothing was done. Start "
            f"the application of that name with serve({what}), and check that both use the same broker and prefix."
        )
    if isinstance(error, NotSent):
        return NotSent(f"cannot send {what} to {service!r}. Nothing was done. {error}")
    late = f"{service!r} did not answer {what} within {seconds:g} s"
    if isinstance(message, Query):
        return RemoteTimeout(f"{late}. Check that the service runs, and send the query again.")
    return RemoteTimeout(
        f"{late}; it is unknown whether the command was committed. Check that the service runs, and send the "
        f"command again with idempotency_key={name!r}, so that it is executed once."
    )
