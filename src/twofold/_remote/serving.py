"""Serve the commands and queries of other processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import anyio
from pydantic import ValidationError

from .._background.failures import tell
from .._definitions.envelope import Origin
from .._definitions.message import Message, Query
from .._dispatch.session import Session
from .._encoding.message_json import round_trip_of
from ..errors import ApplicationNotRunning, CommitFailed, InvalidRequest, NoHandler, TransientFailure
from ..ports.receiver import Receiver
from ..ports.requests import Request, Requests
from .wire import Asked, decode_request, encode_error, encode_refusal, encode_result

logger = logging.getLogger("twofold.serving")

_DELAY = 5.0
"""Seconds until a server that failed is started again."""


class Serving:
    """Answers requests with what the application's handlers return or raise.

    A command takes effect once: the request's id is its idempotency key. A store that is away is no answer; the request is
    delivered again until its deadline.

    Args:
        requests: where they come from.
        service: the name to serve under.
        messages: the commands and queries that others may send.
        open_session: opens a session.
        partitions: into how many parts requests are divided by their key.
    """

    def __init__(
        self,
        requests: Requests,
        service: str,
        messages: Sequence[type[Message]],
        open_session: Callable[[Origin, str | None], Session],
        *,
        partitions: int,
    ) -> None:
        self.service = service
        self.tried = anyio.Event()
        """Set when it serves, or has failed to."""
        self._error: Exception | None = None
        self._receiver: Receiver | None = None
        self._requests = requests
        self._open_session = open_session
        self._partitions = partitions
        self._served: Mapping[tuple[str, str | None], type[Message]] = {
            ("query" if issubclass(message, Query) else "command", message.message_name): message
            for message in messages
        }

    @property
    def trouble(self) -> str | None:
        """What keeps it from serving at the moment, in words; None when nothing does."""
        if self._error is not None:
            return f"{type(self._error).__name__}: {self._error}"
        return self._receiver.trouble if self._receiver is not None else None

    async def run(self) -> NoReturn:
        """Serve until cancelled."""
        while True:
            try:
                async with self._requests.serve(self.service, self.answer, partitions=self._partitions) as receiver:
                    self._receiver, self._error = receiver, None
                    self.tried.set()
                    await anyio.sleep_forever()
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                self._error = error
                self.tried.set()
                tell(logger, error, "cannot serve %s and goes on in %.2f s", self.service, _DELAY)
                await anyio.sleep(_DELAY)

    async def answer(self, request: Request) -> bytes:
        """Handle a request; return its reply.

        Raises:
            TransientFailure, CommitFailed: the store is away, or did not confirm; the request has to come again.
            ApplicationNotRunning: this application is stopping; the request is another server's.
        """
        try:
            asked = decode_request(request.body)
            message = self._message(asked)
        except (NoHandler, InvalidRequest) as error:
            return encode_refusal(error)
        except Exception as error:  # noqa: BLE001 -- whatever it is that somebody sends, it is no request
            found = f"{type(error).__name__}: {error}"
            return encode_refusal(
                InvalidRequest(f"{self.service!r} cannot read this as a request of Twofold: {found}.")
            )
        try:
            return await self._handle(request, asked, message)
        except (TransientFailure, CommitFailed, ApplicationNotRunning):
            raise
        except Exception as error:  # noqa: BLE001 -- it is the requester's to deal with
            logger.info("%s answers %s with %s: %s", self.service, asked.name, type(error).__name__, error)
            return encode_error(error)

    def _message(self, asked: Asked) -> Message:
        """Return what is asked for as a message of the class that is served.

        Raises:
            NoHandler: it is not served.
            InvalidRequest: it is served in another version, or with other fields.
        """
        message_type, what = self._served.get((asked.kind, asked.name)), f"the {asked.kind} {asked.name!r}"
        if message_type is None:
            served = ", ".join(sorted(str(name) for kind, name in self._served if kind == asked.kind)) or "none"
            kinds = {"query": "Queries", "command": "Commands"}[asked.kind]
            raise NoHandler(
                f"{self.service!r} does not serve {what}; nothing was done. {kinds} that it serves: {served}. Add the class "
                f"to serve(…) in {self.service!r}, which has to have a handler for it."
            )
        if asked.version != message_type.message_version:
            raise InvalidRequest(
                f"{self.service!r} did not handle {what}: it was sent in version {asked.version}, and is served in version "
                f"{message_type.message_version}. Deploy the same release of its class on both sides."
            )
        try:
            return round_trip_of(message_type).decode(asked.data)
        except ValidationError as error:
            raise InvalidRequest(
                f"{self.service!r} did not handle {what}: {message_type.__name__} has other fields there. {error}\n"
                "Deploy the same release of its class on both sides."
            ) from error

    async def _handle(self, request: Request, asked: Asked, message: Any) -> bytes:
        session = self._open_session(asked.origin, asked.token or None)
        if isinstance(message, Query):
            return encode_result(type(message), await session.execute(message), session.token)
        result = await session.dispatch(message, idempotency_key=request.id)
        return encode_result(type(message), result, session.token)
