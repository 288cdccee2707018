"""Serve the commands and queries of other processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import anyio

from ._envelope import Origin
from ._messages import Command, Message, Query
from ._remote_wire import Asked, decode_request, encode_error, encode_result
from ._runner import LAST_PAUSE
from ._session import Session
from ._wire_types import WireTypes
from .errors import CommitFailed, NoHandler, TransientFailure, UndecodableCommand
from .ports.receiver import Receiver
from .ports.requests import Request, Requests

logger = logging.getLogger("twofold.serving")


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
        commands: WireTypes[Command[Any]] = WireTypes("command", UndecodableCommand)
        queries: WireTypes[Query[Any]] = WireTypes("query", UndecodableCommand)
        for message in messages:
            if issubclass(message, Query):
                queries.add(message)
            elif issubclass(message, Command):
                commands.add(message)
        self._types: Mapping[str, WireTypes[Any]] = {"command": commands, "query": queries}

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
            except Exception as error:
                self._error = error
                self.tried.set()
                logger.exception("cannot serve %s and goes on in %.2f s", self.service, LAST_PAUSE)
                await anyio.sleep(LAST_PAUSE)

    async def answer(self, request: Request) -> bytes:
        """Handle a request; return its reply.

        Raises:
            TransientFailure, CommitFailed: the store is away, or did not confirm; the request has to come again.
        """
        try:
            asked = decode_request(request.body)
            message = self._types[asked.kind].decode(asked.name, asked.version, asked.data)
        except UndecodableCommand as error:
            return encode_error(NoHandler(f"{self.service} does not serve this: {error}"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return encode_error(NoHandler(f"{self.service} cannot read the request: {type(error).__name__}: {error}"))
        try:
            return await self._handle(request, asked, message)
        except (TransientFailure, CommitFailed):
            raise
        except Exception as error:  # noqa: BLE001 -- it is the requester's to deal with
            logger.info("%s answers %s with %s: %s", self.service, asked.name, type(error).__name__, error)
            return encode_error(error)

    async def _handle(self, request: Request, asked: Asked, message: Any) -> bytes:
        session = self._open_session(asked.origin, asked.token or None)
        if isinstance(message, Query):
            return encode_result(type(message), await session.execute(message), session.token)
        result = await session.dispatch(message, idempotency_key=request.id)
        return encode_result(type(message), result, session.token)
