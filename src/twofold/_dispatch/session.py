"""Sessions, which read their own writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Self, TypeVar, cast

from .._background.calls import Calls, recorded
from .._buses.no_handler import no_handler
from .._consistency.conversation import Conversation
from .._definitions.gathered import Gathered, Policy
from .._definitions.message import Command, Query
from ..errors import ApplicationNotRunning, UsedFromAnotherTask
from .caller import Caller, current_caller, handling, reset_caller, set_caller
from .idempotency import Keyed
from .inbox import Received
from .queries import Answer, SessionQueries
from .scheduler import Scheduler, in_own_unit
from .scope import Claim, open_scope
from .services import Services

R = TypeVar("R")

DEFAULT_TIMEOUT = 5.0
"""The timeout for the read models of a query, in seconds."""


class Session:
    """Commands and queries with causal consistency: a query sees the writes of earlier commands.

    Open one with `async with app.session() as session:`. A session remembers the positions that its commands wrote. A query
    waits until the read models that it reads have passed them. `token` carries the positions to another process. A session
    belongs to the task that opened it.
    """

    def __init__(self, services: Services, conversation: Conversation) -> None:
        self._services = services
        self._conversation = conversation
        self._caller = Caller(conversation)
        self._queries = SessionQueries(services, conversation)

    @property
    def _calls(self) -> Calls | None:
        caller = current_caller()
        return None if caller is None or caller.scope is None else caller.scope.calls

    @property
    def token(self) -> str:
        """The consistency token: the writes of this session, as an opaque text for a header.

        Empty if the session wrote nothing.
        """
        return self._conversation.seen.token

    @recorded
    async def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> R:
        """Handle a command and return its result after its changes are committed.

        Inside the handler of another command this is a plain call that joins the unit of work of that command.

        With an idempotency key the command takes effect once. The key, a hash of the command's fields and the result
        are committed together with the changes. A duplicate waits for the first dispatch, even a concurrent one in
        another process, and returns its result. This session then sees the writes of the first dispatch. A failed
        dispatch stores nothing, so that a retry runs. Middleware runs for a duplicate too; callbacks after the commit
        do not. Keys are stored for the time that `keep_records` of the application sets.

        Args:
            command: the command.
            idempotency_key: a text of at most 200 characters, new for each intent. Each tenant has keys of its own.

        Raises:
            NoHandler: no handler is registered for this command.
            IdempotencyKeyReused: the key was used with another command or other fields.
            ResultNotRecordable: the result cannot be stored; nothing was committed.
            InvalidKey: the key is empty or too long.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        if idempotency_key is not None:
            tenant = self._conversation.origin.tenant
            return await self._claim(command, await Keyed.hashed(command, idempotency_key, tenant))
        pipeline = self._services.command_pipelines.get(type(command))
        if pipeline is None:
            raise no_handler("command", command, self._services.command_pipelines)
        caller = current_caller()
        if caller is not None and caller.scope is not None:
            return cast(R, await pipeline.handle(command))
        mark = set_caller(self._caller)
        try:
            return cast(R, await pipeline.handle(command))
        finally:
            reset_caller(mark)

    @recorded
    async def receive(self, consumer: str, id: str, command: Command[Any]) -> bool:
        """Handle a command from a broker, unless this consumer has handled a message with this id before.

        The id is stored in the inbox, together with the changes of the command. A redelivery does nothing, even a concurrent
        one in another process. After a failure the next delivery is handled. Acknowledge the message when this call returns,
        whatever it returns.

        Args:
            consumer: the name of the consumer, at most 200 characters. Each consumer handles a message once.
            id: the id of the message, at most 200 characters, the same in each delivery.
            command: the command that the message carries.

        Returns:
            Whether this delivery was handled; False for a duplicate.

        Raises:
            NoHandler: no handler is registered for this command.
            InvalidKey: the consumer or the id is empty or too long.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        received = Received(consumer, id)
        await self._claim(command, received)
        return received.first

    @recorded
    async def schedule(self, command: Command[Any], *, at: datetime, id: str | None = None) -> str:
        """Dispatch a command at a given time, and return the id to cancel it by; see `Scheduler.schedule`.

        The schedule entry is durable when this call returns. In the handler of a command it is part of the unit of work.
        """
        return await self._with_scheduler(lambda scheduler: scheduler.schedule(command, at=at, id=id))

    @recorded
    async def cancel(self, id: str) -> bool:
        """Cancel a scheduled command; see `Scheduler.cancel`."""
        return await self._with_scheduler(lambda scheduler: scheduler.cancel(id))

    async def _with_scheduler(self, work: Callable[[Scheduler], Awaitable[R]]) -> R:
        self._check_task()
        scope = handling()
        if scope is not None:
            return await work(Scheduler(scope))
        return await in_own_unit(open_scope(self._services, None, self._conversation), work)

    async def _claim(self, command: Command[R], claim: Claim) -> R:
        """Handle a command that takes effect once, with a claim that the handler's unit of work stores."""
        pipeline = self._services.command_pipelines.get(type(command))
        if pipeline is None:
            raise no_handler("command", command, self._services.command_pipelines)
        mark = set_caller(Caller(self._conversation, handling(), claim))
        try:
            return cast(R, await pipeline.claimed(command))
        finally:
            reset_caller(mark)

    @recorded
    async def execute(self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None) -> R:
        """Answer a query from read models that contain the writes of this session.

        Inside the handler of a command the query does not wait, because the read model may wait for this unit of work.
        Queries that the handler of the query executes wait for their read models, too, until the same deadline.

        Args:
            query: the query.
            timeout: how long to wait for the read models, in seconds. With 0 the query raises `ReadNotReady`
                immediately.
            after: a consistency token of another session, whose writes the query must see as well.

        Raises:
            ReadNotReady: the read models have not caught up. The session's commands succeeded all the same.
            EventsLost: the log has lost what this session or the token wrote, or what a projection has applied.
            TransientFailure: the server of a store was replaced again and again, until the timeout.
            NoHandler: no handler is registered for this query, or its handler streams: use `stream`.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        return await self._queries.execute(query, timeout, after)

    @recorded
    async def execute_stale(self, query: Query[R], *, after: str | None = None) -> Answer[R]:
        """Answer a query without waiting, from read models that may lack writes of this session. Report their lag.

        Args:
            query: the query.
            after: a consistency token of another session, whose writes count for the lag as well.

        Raises:
            NoHandler: no handler is registered for this query, or its handler streams.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        return await self._queries.execute_stale(query, after)

    @recorded
    async def gather(
        self,
        query: Query[R],
        *,
        policy: Policy = "all",
        timeout: float = DEFAULT_TIMEOUT,
        after: str | None = None,
    ) -> Gathered[R]:
        """Ask all answerers of a query at the same time, and return their answers by name.

        The answerers are the handlers that are registered with `many=True`, and the applications that are named by
        `remote_answerer`. An error or a delay of one answerer does not affect the answers of the others. A handler of this
        application waits for the writes of this session, as for `execute`. Other applications do not wait for them.

        Args:
            query: the query.
            policy: "all" needs an answer of every answerer, and fails at the first failure. "first" returns after the
                first answer, and cancels the other answerers. `AtLeast(n)` waits for all answerers until the timeout, and
                returns the answers if there are at least `n`.
            timeout: how long to wait for answers, in seconds. Answerers that are late are cancelled. A sync handler runs in
                a thread, which cannot be cancelled: the call waits until it returns.
            after: a consistency token of another session, whose writes the handlers of this application must see as well.

        Raises:
            TooFewAnswers: fewer answerers answered than the policy needs. The error has the answers and the failures.
            NoHandler: the query has no answerers.
            ConfigurationError: the policy needs more answers than there are answerers.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        return await self._queries.gather(query, policy, timeout, after)

    async def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query, once the read models contain the writes of this session.

        Close the iterator (`contextlib.aclosing`) if you stop early: its read transaction stays open until then.

        Args:
            query: a query whose handler is an async generator.
            timeout: how long to wait for the read models, in seconds.
            after: a consistency token of another session, whose writes the query must see as well.

        Raises:
            ReadNotReady: the read models have not caught up.
            EventsLost: the log has lost what this session or the token wrote, or what a projection has applied.
            NoHandler: no handler is registered for this query, or its handler does not stream: use `execute`.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        async with aclosing(self._queries.stream(query, timeout, after)) as items:
            async for item in items:
                yield item

    async def subscribe(
        self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a query: the current answer, and a new one after each change.

            async with aclosing(session.subscribe(GetOrder(order_id=order_id))) as answers:
                async for order in answers: ...

        The first answer contains the writes of this session. No change is missed: the last answer is that of the current
        rows, also if another process wrote them. Several changes within a short time, and changes while the consumer is
        busy, give one answer. An answer that equals the one before is left out. Nothing is locked or kept open between two
        answers. The iteration ends when the application stops.

        Args:
            query: the query.
            timeout: how long the first answer waits for the read models, in seconds.
            after: a consistency token of another session, whose writes the first answer must contain as well.

        Raises:
            ReadNotReady: the read models have not caught up.
            EventsLost: the log has lost what this session or the token wrote, or what a projection has applied.
            NoHandler: no handler is registered for this query, or its handler streams.
            ConfigurationError: it was called inside a handler, which would not end.
            UsedFromAnotherTask: another task opened this session.
        """
        self._check_task()
        live = await self._queries.subscribe(query, timeout, after)
        async with aclosing(live.answers()) as answers:
            async for answer in answers:
                yield answer

    def continued(self) -> Session:
        """Return this session for the current task. Do not use both at the same time."""
        return Session(self._services, self._conversation.continued(self._services.running.get()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def _check_task(self) -> None:
        if self._services.ended.count:
            raise ApplicationNotRunning(
                "cannot use this session: its application has stopped. Open one in the next run."
            )
        if self._services.running.get() is not self._conversation.owner:
            raise UsedFromAnotherTask(
                "cannot use this session here: another task opened it. Open one session in each task. Pass "
                "Session.token to a session that must see the writes of another one."
            )
