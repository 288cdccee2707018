"""Buses whose handlers are in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from .._background.clock import UuidV7
from .._buses.no_handler import no_handler
from .._consistency.token import new_in
from .._definitions.message import Command, Query
from .._dispatch.scope import current
from ..errors import ConfigurationError, NoRemoteService, NotSent, ReadNotReady, RemoteTimeout
from ..ports.clock import Ids
from ..ports.requests import Request, Requests
from .wire import by_name, decode_reply, encode_request

R = TypeVar("R")


class Remote:
    """Sends messages to a service, and reads its answers; what the remote buses and sessions have in common."""

    def __init__(
        self,
        requests: Requests,
        service: str,
        *,
        timeout: float = 10.0,
        errors: Sequence[type[Exception]] = (),
        ids: Ids | None = None,
    ) -> None:
        if not isinstance(requests, Requests):
            raise ConfigurationError(
                f"cannot send messages to {service!r} over {type(requests).__name__}: it carries no requests. Give what "
                "does, such as RabbitMQ(url); Redis Streams carry events only."
            )
        self._requests = requests
        self._service = service
        self._timeout = timeout
        self._errors = {**by_name([ReadNotReady]), **by_name(errors)}
        self._ids = ids or UuidV7()

    async def _dispatch(
        self, command: Command[R], key: str | None, timeout: float | None, name: str | None, token: str = ""
    ) -> tuple[R, str]:
        """Have a command handled; return its result, and the token of what its session has seen now."""
        if not isinstance(command, Command):
            raise no_handler("command", command, ())
        result, seen = await self._ask(command, key, timeout, name or str(self._ids.new()), token)
        scope = current.get()
        if seen and scope is not None and scope.message is not None:
            scope.session.wrote_elsewhere(self._service, new_in(seen, token))
        return result, seen

    async def _execute(self, query: Query[R], timeout: float | None, token: str) -> R:
        """Have a query answered."""
        if not isinstance(query, Query):
            raise no_handler("query", query, ())
        result, _ = await self._ask(query, None, timeout, str(self._ids.new()), token)
        answer: R = result
        return answer

    async def _ask(
        self, message: Command[Any] | Query[Any], key: str | None, timeout: float | None, name: str, token: str
    ) -> tuple[Any, str]:
        scope = current.get()
        cause = scope.envelope if scope is not None and scope.message is not None else None
        request = Request(name, key, encode_request(message, cause, token))
        seconds = self._timeout if timeout is None else timeout
        try:
            reply = await self._requests.request(self._service, request, seconds=seconds)
        except (NoRemoteService, NotSent, RemoteTimeout) as error:
            raise _told(error, message, self._service, seconds, name) from error
        return decode_reply(type(message), reply, self._errors)


class RemoteCommandBus(Remote):
    """Hands commands to the application of another process, with the same types as `CommandBus`.

        commands = RemoteCommandBus(rabbitmq, "orders", errors=[InvalidTransition])
        await commands.dispatch(ShipOrder(order_id=order_id))

    A command takes effect once, however often the broker delivers it. What is sent while another message is handled belongs
    to its conversation, and goes out at once: it is not undone when that one fails. Send it from an event handler with an
    idempotency key that is the same when the event handler is retried. Where this application consumes the events of
    that one, the session in which the message is handled has seen what the command wrote: later queries in it wait for that.

    Args:
        requests: what carries requests, such as `RabbitMQ(url)`: an application's transport, or one that you made and close
            yourself (`async with RabbitMQ(url) as broker:`). It connects when the first one is sent.
        service: the name of the application that serves the commands.
        timeout: how long an answer is waited for, in seconds.
        errors: classes of errors that are raised as themselves, with their text, and the public attributes that they
            declare: as parameters of their constructor, or by annotations.
        ids: makes identifiers; UUIDv7 by default.

    Raises:
        ConfigurationError: `requests` carries no requests; two of `errors` have one name, or one is a group.
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
            NoHandler: it is no command, or that application does not serve it; nothing was done.
            InvalidRequest: that application knows it with other fields; nothing was done.
            NoRemoteService: nobody serves under this name; nothing was done.
            NotSent: the broker is away; nothing was done.
            RemoteTimeout: no answer came in time. Whether it took effect is not known; with the same idempotency key it can
                be sent again.
            MessageTooLarge: it has too many bytes, and nothing was done; or its result has, and it took effect.
            RemoteFailure: it failed there, by an error that has no class here; one of `errors` is raised as itself.
        """
        result, _ = await self._dispatch(command, key, timeout, idempotency_key)
        return result


class RemoteQueryBus(Remote):
    """Has queries answered by the application of another process, with the same types as `QueryBus`.

    Args:
        requests: what carries requests; see `RemoteCommandBus`.
        service: the name of the application that serves the queries.
        timeout: how long an answer is waited for, in seconds.
        errors: classes of errors that are raised as themselves, with their text, and the public attributes that they
            declare: as parameters of their constructor, or by annotations.
        ids: makes identifiers; UUIDv7 by default.

    Raises:
        ConfigurationError: `requests` carries no requests; two of `errors` have one name, or one is a group.
    """

    async def execute(self, query: Query[R], *, timeout: float | None = None, after: str | None = None) -> R:
        """Have a query answered there.

        Args:
            query: the query; its class has a stable name.
            timeout: how long to wait, in seconds; what the bus was given by default.
            after: a session token; the answer has what that session wrote.

        Raises:
            NoHandler: it is no query, or that application does not serve it.
            InvalidRequest: that application knows it with other fields.
            NoRemoteService: nobody serves under this name.
            NotSent: the broker is away.
            RemoteTimeout: no answer came in time.
            ReadNotReady: the read models there have not caught up with the token.
            MessageTooLarge: it has too many bytes, or its answer has.
            RemoteFailure: it failed there, by an error that has no class here; one of `errors` is raised as itself.
        """
        return await self._execute(query, timeout, after or "")


def _told(
    error: NoRemoteService | NotSent | RemoteTimeout,
    message: Command[Any] | Query[Any],
    service: str,
    seconds: float,
    name: str,
) -> Exception:
    """Return what an adapter says of a request as what it means for the message."""
    what = type(message).__name__
    if isinstance(error, NoRemoteService):
        return NoRemoteService(
            f"cannot send {what}: nobody has ever served as {service!r} at this broker; nothing was done. Start the "
            f"application of that name with serve({what}), and see whether both use the same broker and prefix."
        )
    if isinstance(error, NotSent):
        return NotSent(f"cannot send {what} to {service!r}; nothing was done. {error}")
    if isinstance(message, Query):
        return RemoteTimeout(
            f"{service!r} did not answer {what} within {seconds:g} s. See whether it runs, and ask again."
        )
    return RemoteTimeout(
        f"{service!r} did not answer {what} within {seconds:g} s; whether it took effect is not known. See whether it runs, "
        f"and send it again with idempotency_key={name!r}: it takes effect once."
    )
