"""Buses whose handlers are in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ._current import current
from ._messages import Command, Query
from ._remote_wire import by_name, decode_reply, encode_request
from ._time import UuidV7
from .ports.clock import Ids
from .ports.requests import Request, Requests

R = TypeVar("R")


class _Remote:
    """Sends messages to a service, and reads its answers.

    Args:
        requests: carries them.
        service: the name of the application that serves them.
        timeout: how long an answer is waited for, in seconds.
        errors: classes of errors that are raised as themselves, with their text and public attributes.
        ids: makes identifiers; UUIDv7 by default.
    """

    def __init__(
        self,
        requests: Requests,
        service: str,
        *,
        timeout: float = 10.0,
        errors: Sequence[type[Exception]] = (),
        ids: Ids | None = None,
    ) -> None:
        self._requests = requests
        self._service = service
        self._timeout = timeout
        self._errors = by_name(errors)
        self._ids = ids or UuidV7()

    async def _ask(
        self,
        message: Command[Any] | Query[Any],
        *,
        key: str | None,
        timeout: float | None,
        name: str | None = None,
        token: str = "",
    ) -> tuple[Any, str]:
        scope = current.get()
        cause = scope.envelope if scope is not None and scope.message is not None else None
        request = Request(name or str(self._ids.new()), key, encode_request(message, cause, token))
        seconds = self._timeout if timeout is None else timeout
        reply = await self._requests.request(self._service, request, seconds=seconds)
        return decode_reply(type(message), reply, self._errors)


class RemoteCommandBus(_Remote):
    """Hands commands to the application of another process, with the same types as `CommandBus`.

        commands = RemoteCommandBus(rabbitmq, "orders", errors=[InvalidTransition])
        await commands.dispatch(ShipOrder(order_id=order_id))

    A command takes effect once, however often the broker delivers it. What is sent while another message is handled belongs
    to its conversation, and goes out at once: it is not undone when that one fails. Send it from a reaction with an
    idempotency key that is the same when the reaction is tried again.
    """

    async def dispatch(
        self,
        command: Command[R],
        *,
        key: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> R:
        """Have a command handled there, and return its result.

        Args:
            command: the command; its class has a stable name.
            key: commands of one key are handled one after another, in the order in which they were sent.
            timeout: how long to wait, in seconds; what the bus was given by default.
            idempotency_key: as for `Session.dispatch` in that application; a new one by default.

        Raises:
            NoRemoteService: nobody serves under this name; nothing was done.
            RemoteTimeout: no answer came in time. Whether it took effect is not known; with the same idempotency key it can
                be sent again.
            RemoteFailure: it failed there, by an error that has no class here; one of `errors` is raised as itself.
        """
        result, _ = await self._ask(command, key=key, timeout=timeout, name=idempotency_key)
        answer: R = result
        return answer


class RemoteQueryBus(_Remote):
    """Has queries answered by the application of another process, with the same types as `QueryBus`."""

    async def execute(self, query: Query[R], *, timeout: float | None = None, after: str | None = None) -> R:
        """Have a query answered there.

        Args:
            query: the query; its class has a stable name.
            timeout: how long to wait, in seconds; what the bus was given by default.
            after: a session token; the answer has what that session wrote.

        Raises:
            NoRemoteService: nobody serves under this name.
            RemoteTimeout: no answer came in time.
            RemoteFailure: it failed there, by an error that has no class here; one of `errors` is raised as itself.
        """
        result, _ = await self._ask(query, key=None, timeout=timeout, token=after or "")
        answer: R = result
        return answer
