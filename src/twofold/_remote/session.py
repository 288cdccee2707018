"""Sessions with the application of another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .._background.tasks import current_task
from .._telemetry.options import Telemetry
from ..errors import UsedFromAnotherTask
from ..ports.clock import Ids
from ..ports.requests import Requests
from .buses import RemoteCommandBus, RemoteQueryBus


class RemoteSession(RemoteCommandBus, RemoteQueryBus):
    """A session with another application whose queries include everything that its commands wrote, like `Session`.

        orders = RemoteSession(rabbitmq, "orders")
        order_id = await orders.dispatch(PlaceOrder(...))
        order = await orders.execute(GetOrder(order_id=order_id))  # finds the order that was just placed

    The session remembers the position of the last event of its commands. A query waits in the other application until the
    read models have reached that position. `token` hands the position on to the other application, and to any application
    that consumes its events. A session belongs to the task that created it; create a session for each conversation.

    Args:
        requests: a transport that carries requests; see `RemoteCommandBus`.
        service: the name of the application that serves the messages.
        token: the token of an earlier session with the same application, which this session continues.
        timeout: the timeout of a reply, in seconds.
        errors: classes of exceptions that are raised as themselves; see `RemoteCommandBus`.
        ids: creates identifiers; UUIDv7 by default.
        telemetry: records requests outside of handlers; see `RemoteCommandBus`.

    Raises:
        ConfigurationError: `requests` does not carry requests; two of `errors` have one name, or one is a group.
        UsedFromAnotherTask: (from `dispatch` and `execute`) another task created this session.
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
        telemetry: Telemetry | Literal[False] | None = None,
    ) -> None:
        super().__init__(requests, service, timeout=timeout, errors=errors, ids=ids, telemetry=telemetry)
        self._token = token or ""
        self._owner = current_task()

    @property
    def token(self) -> str:
        """The position of the last event of this session, as an opaque text for a header; empty if it wrote nothing."""
        return self._token

    def _needed(self, after: str | None) -> str:
        if current_task() is not self._owner:
            raise UsedFromAnotherTask(
                f"cannot use this session with {self._service!r} here: another task created it. Create a session in each "
                "task, and pass RemoteSession.token to a task that must see the events of another one."
            )
        return ".".join(each for each in (self._token, after) if each)

    def _note(self, token: str) -> None:
        self._token = token
