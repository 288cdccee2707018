"""Sessions: they read their own writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from anyio import current_time

from .._background.tasks import current_task
from .._consistency.required import at_least
from .._consistency.seen import Writes
from .._consistency.token import Written, encode_token
from .._consistency.waiting import Consistency
from .._definitions.message import Command, Query
from ..errors import ApplicationNotRunning, UsedFromAnotherTask
from ..ports.event_log import StoredEvent
from .idempotency import Keyed
from .inbox import Received
from .once import Once, asked
from .scheduler import Scheduler, in_own_unit
from .scope import current, handling

if TYPE_CHECKING:
    from .._consistency.arrivals import Arrivals
    from .._definitions.envelope import Origin
    from .services import Services

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_END = object()
"""The end of a stream that has nothing in it."""

DEFAULT_TIMEOUT = 5.0
"""How long a query waits for its read models, in seconds."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """An answer that may be old.

    Attributes:
        value: what the query handler returned.
        behind: how many events of the log the read models had not seen of what the session wrote; 0 when it is fresh,
            None when it cannot be told because one of them is parked.
    """

    value: R_co
    lag: int | None


class Session:
    """A conversation that sees its own writes. `async with app.session() as session:` gives one.

    It remembers how far its commands wrote; a query in it waits until the read models that answer it have passed that
    point. `token` carries this to another process. A session belongs to the task that opened it.
    """

    def __init__(
        self,
        services: Services,
        consistency: Consistency,
        reads: Mapping[type[Query[Any]], Sequence[str]],
        origin: Origin,
        log: str,
        arrivals: Arrivals | None,
        token: str | None,
    ) -> None:
        from .scope import Scope

        self.origin = origin
        self._services = services
        self._consistency = consistency
        self._reads = reads
        self._log = log
        self._owner = current_task()
        self._writes = Writes(log, arrivals)
        if token:
            self._writes.resume(token)
        self._scope = Scope(services, None, self)

    @property
    def token(self) -> str:
        """How far this session wrote, as an opaque text for a header; empty when it wrote nothing."""
        return self._writes.token

    async def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> R:
        """Handle a command and return its result, when everything it changed is committed.

        Inside the handler of another command this is a plain call that joins that command's unit of work.

        With an idempotency key the command takes effect once. Key, a hash of its fields and its result are committed with
        what it changed; a repeat, also a concurrent one and one in another process, waits for the first and returns its
        result, and this session then sees what the first one wrote. A dispatch that fails leaves nothing, so that a repeat
        runs. Middleware runs for a repeat too, callbacks after the commit do not. Keys are kept for as long as the
        application says (`keep_records`).

        Args:
            command: the command.
            idempotency_key: a text of at most 200 characters, new for each intent. Each tenant has keys of its own.

        Raises:
            NoHandler: nothing handles this command.
            IdempotencyKeyReused: the key came before with another command or other fields.
            ResultNotRecordable: the result cannot be given again; nothing was committed.
            InvalidKey: the key is empty or too long.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        if idempotency_key is not None:
            return await self._once(command, Keyed(command, idempotency_key, self.origin.tenant))
        scope = current.get()
        if scope is not None and scope.joinable:
            return await self._services.commands.dispatch(command)
        mark = current.set(self._scope)
        try:
            return await self._services.commands.dispatch(command)
        finally:
            current.reset(mark)

    async def receive(self, consumer: str, id: str, command: Command[Any]) -> bool:
        """Handle a command that came from a broker, unless this consumer has taken a message of this id before.

        That it is taken is committed with what the command changed. Delivered again, also at the same time and to another
        process, it waits for the first and does nothing; after a failure the next delivery is handled. Acknowledge the
        message when this returns, whatever it returns.

        Args:
            consumer: who takes the message, at most 200 characters; each consumer takes it once.
            id: the message's id, at most 200 characters, the same in each delivery.
            command: what the message asks for.

        Returns:
            Whether it was handled now, and not before.

        Raises:
            NoHandler: nothing handles this command.
            InvalidKey: the consumer or the id is empty or too long.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        received = Received(consumer, id)
        await self._once(command, received)
        return received.first

    async def schedule(self, command: Command[Any], *, at: datetime, id: str | None = None) -> str:
        """Have a command dispatched later, and return the id to cancel it by; see `Scheduler.schedule`.

        It is durable when this returns; in the handler of a command it belongs to that one's unit of work.
        """
        return await self._with_scheduler(lambda scheduler: scheduler.schedule(command, at=at, id=id))

    async def cancel(self, id: str) -> bool:
        """Cancel a scheduled command; see `Scheduler.cancel`."""
        return await self._with_scheduler(lambda scheduler: scheduler.cancel(id))

    async def _with_scheduler(self, work: Callable[[Scheduler], Awaitable[R]]) -> R:
        from .scope import Scope

        self._check_task()
        scope = current.get()
        if scope is not None and scope.joinable:
            return await work(Scheduler(scope))
        return await in_own_unit(Scope(self._services, None, self), work)

    async def _once(self, command: Command[R], once: Once) -> R:
        scope = current.get()
        mark = None if scope is not None and scope.joinable else current.set(self._scope)
        before = asked.set(once)
        try:
            return await self._services.once.dispatch(command)
        finally:
            asked.reset(before)
            if mark is not None:
                current.reset(mark)

    async def execute(self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None) -> R:
        """Answer a query from read models that have what this session wrote.

        Inside the handler of a command the query does not wait: the unit of work may hold what the read model waits for.

        Args:
            query: the query.
            timeout: how long to wait for the read models, in seconds. With 0 the query raises `ReadNotReady` at once.
            after: a consistency token of another session, whose writes the query must see as well.

        Raises:
            ReadNotReady: the read models have not caught up. The session's commands succeeded all the same.
            NoHandler: no handler is registered for this query, or its handler streams: use `stream`.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        nested = handling()
        written, left = self._writes.here, 0.0 if nested else timeout
        if after is not None or self._writes.elsewhere:
            deadline = current_time() + left
            written, _ = await self._writes.needed(after, left, must=True, handling=nested)
            left = deadline - current_time()
        if written is not None:
            await self._consistency.wait(self._reads.get(type(query), ()), written, left)
        return await self._answer(query, written, nested)

    async def execute_stale(self, query: Query[R], *, after: str | None = None) -> Answer[R]:
        """Answer a query at once, from read models that may lack what this session wrote, and report their lag.

        Args:
            query: the query.
            after: a consistency token of another session, whose writes count for the lag as well.

        Raises:
            NoHandler: no handler is registered for this query, or its handler streams.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        nested = handling()
        written, complete = self._writes.here, True
        if after is not None or self._writes.elsewhere:
            written, complete = await self._writes.needed(after, 0.0, must=False, handling=nested)
        reads, lag = self._reads.get(type(query), ()), 0 if complete else None
        if written is not None and reads and complete:
            lag = await self._consistency.worst(reads, written)
        return Answer(await self._answer(query, written, nested), lag)

    async def _answer(self, query: Query[R], written: Written | None, nested: bool) -> R:
        mark = at_least.set(None if written is None else written.position)
        mine = None if nested else current.set(self._scope)
        try:
            return await self._services.queries.execute(query)
        finally:
            at_least.reset(mark)
            if mine is not None:
                current.reset(mine)

    async def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query, once the read models have what this session wrote.

        Close the iterator (`contextlib.aclosing`) when you stop early: until then its read stays open.

        Args:
            query: a query whose handler is an async generator.
            timeout: how long to wait for the read models, in seconds.
            after: a token to wait for besides what this session wrote.

        Raises:
            ReadNotReady: the read models have not caught up.
            NoHandler: nothing handles this query, or it is answered at once: use `execute`.
        """
        self._check_task()
        deadline = current_time() + timeout
        written, _ = await self._writes.needed(after, timeout, must=True, handling=handling())
        if written is not None:
            await self._consistency.wait(self._reads.get(type(query), ()), written, deadline - current_time())
        async with aclosing(self._services.queries.stream(query)) as items:
            scope = current.get()
            mine = None if scope is not None and scope.joinable else current.set(self._scope)
            try:
                first = await anext(items, _END)
            finally:
                if mine is not None:
                    current.reset(mine)
            if first is not _END:
                yield cast(R, first)
                async for item in items:
                    yield item

    def wrote(self, events: Sequence[StoredEvent]) -> None:
        """Remember that these events were committed in this session."""
        self._writes.add(events)

    def wrote_elsewhere(self, application: str, written: Sequence[Written]) -> None:
        """Remember what another application has written for a handler of this session, if its events arrive here."""
        self._writes.add_elsewhere(application, written)

    def saw(self, token: str) -> None:
        """Remember what another session wrote, as if it had been this one."""
        if token:
            self._writes.resume(token)

    def token_of(self, events: Sequence[StoredEvent]) -> str:
        """Return the token of a session that wrote these events and no others; empty when there are none."""
        positions = tuple(event.position for event in events)
        return encode_token(Written(self._log, positions[-1], positions)) if positions else ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def _check_task(self) -> None:
        if self._services.ended.count:
            raise ApplicationNotRunning(
                "cannot use this session: its application has stopped. Open one in the next run."
            )
        if current_task() is not self._owner:
            raise UsedFromAnotherTask(
                "cannot use this session here: another task opened it. Open one session in each task, and pass "
                "Session.token on when one has to see what another one wrote."
            )
