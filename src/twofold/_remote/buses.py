"""Buses for the handlers of another process."""

from __future__ import annotations

from typing import TypeVar

from .._buses.no_handler import no_handler
from .._consistency.token import new_in
from .._definitions.message import Command, Query
from .._dispatch.caller import handling
from .client import RemoteClient

R = TypeVar("R")


class RemoteCommandBus(RemoteClient):
    """Sends commands to the application of another process, with the same types as `CommandBus`.

        commands = RemoteCommandBus(rabbitmq, "orders", errors=[InvalidTransition])
        await commands.dispatch(ShipOrder(order_id=order_id))

    A command takes effect once, however often the broker delivers it. A command that a handler sends has the correlation id
    of the handled message. It is sent immediately, and is not undone if the handler fails. An event handler therefore sends
    commands with an idempotency key that is the same in each retry. If this application consumes the events of the other
    one, later queries in the session of the handled message wait for the events of the command.

    Args:
        requests: a transport that carries requests, such as `RabbitMQ(url)`: the transport of an application, or one that
            you create and close yourself (`async with RabbitMQ(url) as broker:`). It connects at the first request.
        service: the name of the application that serves the commands.
        timeout: the timeout of a reply, in seconds.
        errors: classes of exceptions that are raised as themselves. An exception has the text of the remote exception, and
            the public attributes that its class declares as parameters of the constructor or as annotations.
        ids: creates identifiers; UUIDv7 by default.
        telemetry: records requests outside of handlers, as `Application(telemetry=…)` does. Inside a handler, the setting of
            its application applies.

    Raises:
        ConfigurationError: `requests` does not carry requests; two of `errors` have one name, or one is a group.
    """

    async def dispatch(
        self,
        command: Command[R],
        *,
        key: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> R:
        """Send a command, and return the result of its handler.

        Args:
            command: the command. Its class has a stable name.
            key: commands with the same key are handled one after another, in the order in which they were sent.
            timeout: the timeout of the reply, in seconds; that of the bus by default.
            idempotency_key: as for `Session.dispatch` in the other application; a new key by default.

        Raises:
            NoHandler: the message is not a command, or the application does not serve it. Nothing was done.
            InvalidRequest: the application has the command with other fields. Nothing was done.
            NoRemoteService: no application serves under this name. Nothing was done.
            NotSent: the broker does not answer. Nothing was done.
            RemoteTimeout: no reply arrived in time. It is unknown whether the command took effect; it can be sent again with
                the same idempotency key.
            MessageTooLarge: the command is too large, and nothing was done; or its result is, and it took effect.
            RemoteFailure: the handler raised an exception that is not listed in `errors`.
        """
        needed = self._needed(None)
        if not isinstance(command, Command):
            raise no_handler("command", command, ())
        result, seen = await self._ask(command, idempotency_key or str(self._ids.new()), needed, timeout, key)
        self._note(seen)
        scope = handling()
        if seen and scope is not None:
            scope.conversation.seen.add_elsewhere(self._service, new_in(seen, needed))
        answer: R = result
        return answer


class RemoteQueryBus(RemoteClient):
    """Sends queries to the application of another process, with the same types as `QueryBus`.

    Args:
        requests: a transport that carries requests; see `RemoteCommandBus`.
        service: the name of the application that serves the queries.
        timeout: the timeout of a reply, in seconds.
        errors: classes of exceptions that are raised as themselves; see `RemoteCommandBus`.
        ids: creates identifiers; UUIDv7 by default.
        telemetry: records requests outside of handlers; see `RemoteCommandBus`.

    Raises:
        ConfigurationError: `requests` does not carry requests; two of `errors` have one name, or one is a group.
    """

    async def execute(self, query: Query[R], *, timeout: float | None = None, after: str | None = None) -> R:
        """Send a query, and return its answer.

        Args:
            query: the query. Its class has a stable name.
            timeout: the timeout of the reply, in seconds; that of the bus by default.
            after: a session token. The answer includes everything that the session wrote.

        Raises:
            NoHandler: the message is not a query, or the application does not serve it.
            InvalidRequest: the application has the query with other fields.
            NoRemoteService: no application serves under this name.
            NotSent: the broker does not answer.
            RemoteTimeout: no reply arrived in time.
            ReadNotReady: the read models have not reached the token.
            MessageTooLarge: the query or its answer is too large.
            RemoteFailure: the handler raised an exception that is not listed in `errors`.
        """
        needed = self._needed(after)
        if not isinstance(query, Query):
            raise no_handler("query", query, ())
        answer: R
        answer, _ = await self._ask(query, str(self._ids.new()), needed, timeout)
        return answer
