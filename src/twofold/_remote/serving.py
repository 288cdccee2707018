"""Serve the commands and queries of other processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import anyio
from pydantic import ValidationError

from .._background.failures import contained, description, is_of_store, log_failure
from .._background.log_lines import logger_of
from .._definitions.envelope import Origin
from .._definitions.message import Message, Query
from .._dispatch.session import Session
from .._encoding.misfits import misfits_without_values
from .._encoding.round_trip import round_trip_of
from .._telemetry.metrics import MESSAGE_KIND, MESSAGE_TYPE
from .._telemetry.recorder import SILENT, Recorder
from .._telemetry.spans import SERVE
from ..errors import ApplicationNotRunning, InvalidRequest, NoHandler
from ..ports.receiver import Receiver
from ..ports.requests import Request, Requests
from .wire import DecodedRequest, decode_request, encode_error, encode_refusal, encode_result

logger = logger_of("twofold.serving")

_DELAY = 5.0
"""The delay before a server that failed is started again, in seconds."""


class Serving:
    """Answers requests with the results and exceptions of the application's handlers.

    A command takes effect once: the id of the request is its idempotency key. While the store does not answer, a request is
    redelivered until its deadline.

    Args:
        requests: the transport of the requests.
        service: the name to serve under.
        messages: the commands and queries that other processes may send.
        open_session: opens a session.
        partitions: the number of partitions that requests are divided into by their key.
        recorder: records telemetry.
    """

    def __init__(
        self,
        requests: Requests,
        service: str,
        messages: Sequence[type[Message]],
        open_session: Callable[[Origin, str | None], Session],
        *,
        partitions: int,
        recorder: Recorder = SILENT,
    ) -> None:
        self.service = service
        self.tried = anyio.Event()
        """Set when the first attempt to serve has succeeded or failed."""
        self._error: Exception | None = None
        self._receiver: Receiver | None = None
        self._requests = requests
        self._open_session = open_session
        self._partitions = partitions
        self._recorder = recorder
        self._served: Mapping[tuple[str, str | None], type[Message]] = {
            ("query" if issubclass(message, Query) else "command", message.message_name): message
            for message in messages
        }

    @property
    def problem(self) -> str | None:
        """Why requests cannot be served at the moment, as a text; None if they can."""
        if self._error is not None:
            return description(self._error)
        return self._receiver.problem if self._receiver is not None else None

    async def run(self) -> NoReturn:
        """Serve until cancelled."""
        while True:
            try:
                async with self._requests.serve(self.service, self.answer, partitions=self._partitions) as receiver:
                    self._receiver, self._error = receiver, None
                    self.tried.set()
                    await anyio.sleep_forever()
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                self._error = error
                self.tried.set()
                log_failure(logger, error, "cannot serve %s and retries in %.2f s", self.service, _DELAY)
                await anyio.sleep(_DELAY)

    async def answer(self, request: Request) -> bytes:
        """Handle a request and return the reply. Exceptions of the application are replies too.

        Raises:
            TransientFailure, CommitUnknown, …: the store failed. The request must be redelivered; its id, which is the
                idempotency key, says then whether it was handled.
            ApplicationNotRunning: this application shuts down. Another server must handle the request.
        """
        try:
            with contained():
                decoded = decode_request(request.body)
                message = self._message(decoded)
        except (NoHandler, InvalidRequest) as error:
            return encode_refusal(error)
        except Exception as error:  # noqa: BLE001 -- any sender may publish any body
            found = description(error)
            return encode_refusal(
                InvalidRequest(f"{self.service!r} cannot decode this body as a request of Twofold: {found}.")
            )
        try:
            with contained(), self._recorded(decoded):
                return await self._handle(request, decoded, message)
        except Exception as error:
            if is_of_store(error) or isinstance(error, ApplicationNotRunning):
                raise
            logger.info("%s answers %s with %s", self.service, decoded.name, description(error))
            return encode_error(error)

    def _message(self, request: DecodedRequest) -> Message:
        """Return the message of a request.

        Raises:
            NoHandler: the message is not served.
            InvalidRequest: the message is served in another version, or with other fields.
        """
        message_type, what = self._served.get((request.kind, request.name)), f"the {request.kind} {request.name!r}"
        if message_type is None:
            served = ", ".join(sorted(str(name) for kind, name in self._served if kind == request.kind)) or "none"
            kinds = {"query": "Queries", "command": "Commands"}[request.kind]
            raise NoHandler(
                f"{self.service!r} does not serve {what}. Nothing was done. {kinds} that it serves: {served}. Add the class "
                f"to serve(…) in {self.service!r}, and register a handler for it there."
            )
        if request.version != message_type.message_version:
            raise InvalidRequest(
                f"{self.service!r} did not handle {what}: it was sent in version {request.version}, and is served in "
                f"version {message_type.message_version}. Deploy the same release of its class on both sides."
            )
        try:
            return round_trip_of(message_type).decode(request.data)
        except ValidationError as error:
            raise InvalidRequest(
                f"{self.service!r} did not handle {what}: {message_type.__name__} has other fields there: "
                f"{misfits_without_values(error)}. Deploy the same release of its class on both sides."
            ) from None  # the text of the cause quotes the values

    def _recorded(self, decoded: DecodedRequest) -> AbstractContextManager[object]:
        attributes = self._recorder.attributes({MESSAGE_KIND: decoded.kind, MESSAGE_TYPE: decoded.name})
        return self._recorder.span(SERVE, decoded.name, attributes, parent=decoded.origin.trace)

    async def _handle(self, request: Request, decoded: DecodedRequest, message: Any) -> bytes:
        session = self._open_session(decoded.origin, decoded.token or None)
        if isinstance(message, Query):
            return encode_result(type(message), await session.execute(message), session.token)
        result = await session.dispatch(message, idempotency_key=request.id)
        return encode_result(type(message), result, session.token)
