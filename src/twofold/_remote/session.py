"""Conversations with the application of another process: they read their own writes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .._background.tasks import current_task
from .._definitions.message import Command, Query
from ..errors import UsedFromAnotherTask
from ..ports.clock import Ids
from ..ports.requests import Requests
from .client import Remote

R = TypeVar("R")


class RemoteSession(Remote):
    """A conversation with another application that sees its own writes, like `Session` within one.

        orders = RemoteSession(rabbitmq, "orders")
        order_id = await orders.dispatch(PlaceOrder(...))
        order = await orders.execute(GetOrder(order_id=order_id))  # sees the order that was just placed

    It remembers how far its commands wrote there; its queries wait there until the read models have passed that point.
    `token` carries this on: to the other application, and to any that consumes its events. A session belongs to the task
    that made it; make one for each conversation.

    Args:
        requests: what carries requests; see `RemoteCommandBus`.
        service: the name of the application that serves the messages.
        token: the token of an earlier session of that application: this one sees what that one wrote.
        timeout: how long an answer is waited for, in seconds.
        errors: classes of errors that are raised as themselves; see `RemoteCommandBus`.
        ids: makes identifiers; UUIDv7 by default.

    Raises:
        ConfigurationError: `requests` carries no requests; two of `errors` have one name, or one is a group.
    """

    def __init__(
        self,
        requests: Requests,
        service: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        errors: Sequence[type[Exception]] = (),
        ids: Ids | None = None,
    ) -> None:
        super().__init__(requests, service, timeout=timeout, errors=errors, ids=ids)
        self._token = token or ""
        self._owner = current_task()

    @property
    def token(self) -> str:
        """How far this session wrote there, as an opaque text for a header; empty when it wrote nothing."""
        return self._token

    async def dispatch(
        self,
        command: Command[R],
        *,
        key: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> R:
        """Have a command handled there, and return its result; see `RemoteCommandBus.dispatch`.

        Raises:
            UsedFromAnotherTask: another task made this session.
        """
        self._check_task()
        result, self._token = await self._dispatch(command, key, timeout, idempotency_key, self._token)
        return result

    async def execute(self, query: Query[R], *, timeout: float | None = None, after: str | None = None) -> R:
        """Have a query answered there, from read models that have what this session wrote; see `RemoteQueryBus.execute`.

        Args:
            query: the query; its class has a stable name.
            timeout: how long to wait, in seconds; what the session was given by default.
            after: a token to wait for besides what this session wrote.

        Raises:
            ReadNotReady: the read models there have not caught up. The session's commands succeeded all the same.
            UsedFromAnotherTask: another task made this session.
        """
        self._check_task()
        return await self._execute(query, timeout, ".".join(each for each in (self._token, after) if each))

    def _check_task(self) -> None:
        if current_task() is not self._owner:
            raise UsedFromAnotherTask(
                f"cannot use this session with {self._service!r} here: another task made it. Make one in each task, and "
                "pass RemoteSession.token on when one has to see what another one wrote."
            )
