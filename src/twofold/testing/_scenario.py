"""Test an application: given a history, when a message arrives, then these events, commands and rows follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

import anyio

from .._application.application import Application
from .._application.running import Running
from .._application.settling import settled
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Origin
from .._definitions.message import Command, Event, Message, Query
from .._definitions.position import START, Position
from .._definitions.subclasses import stored_types
from .._definitions.view import View
from .._dispatch.scheduler import in_own_unit
from .._dispatch.scope import open_scope
from .._encoding.wire_types import EventTypes
from .._processes.inputs import INPUTS, ProcessTimeout
from .._writing.unit_of_work import UnitOfWork
from ..errors import ConfigurationError
from ..ports.event_log import LogPage
from ..ports.rows import Ordering, Selection
from ._calls import Calls
from ._clock import ManualClock
from ._difference import check_equal
from ._outcome import Failed, Outcome, Scheduled

R = TypeVar("R")
V = TypeVar("V", bound=View)

_LONGEST_SCHEDULE = 1_000

_OF_PROCESSES = frozenset(each.message_name for each in INPUTS)
"""The events that processes record for themselves. A test sees their commands and their state instead."""


class Scenario:
    """Run an application in a test, step by step. Each step ends when every subscription has caught up.

        app = Application("shop", write=InMemory(), clock=ManualClock())
        app.include(orders)

        async with Scenario(app) as scenario:
            await scenario.given(PlaceOrder(order_id="o1"))
            step = await scenario.when(PayOrder(order_id="o1"))
            step.then_events(OrderPaid(order_id="o1"))
            await scenario.then_rows(OrderView, OrderView(order_id="o1", paid=True))

    Build a new application with a new store for each scenario. The end of the block raises what the test did not check: an
    error of a step, and an event that a subscription could not process.

    Args:
        app: the application, which is not running yet. With a `ManualClock`, `advance` dispatches what becomes due.
        timeout: how long a step may take, in seconds.
    """

    def __init__(self, app: Application, *, timeout: float = 30.0) -> None:
        self._app = app
        self._timeout = timeout
        self._exits = AsyncExitStack()
        self._dispatched: list[Command[Any]] = []
        self._checked: set[object] = set()
        self._last: Outcome[Any] | None = None
        self._calls = Calls()
        app.use(self._note, on=Command)

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self._app)
        self._running.assembly.services.outside.perform = self._calls.perform
        await self._settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._raise_unchecked()
                self._raise_failed(await self._failed())
        finally:
            await self._exits.__aexit__(kind, error, trace)

    async def given(
        self, *messages: Command[Any] | Event, aggregate: type[Aggregate] | None = None, stream: str | None = None
    ) -> None:
        """Establish a history: dispatch commands, and append events.

        Args:
            messages: the commands and events, in order.
            aggregate: the class of an aggregate that does not exist yet. The messages are its events, and it is stored.
            stream: the stream to which events are appended that belong to no aggregate; by default each event has its own.

        Raises:
            AssertionError: a command raised an error, or a subscription could not process an event.
        """
        self._raise_unchecked()
        if aggregate is not None:
            await self._in_unit(lambda unit: _begin(unit, aggregate, messages))
        for message in messages if aggregate is None else ():
            await self._send(message, stream)
        await self._settle()
        self._raise_failed(await self._failed())

    def given_call(self, step: str, *outcomes: object) -> None:
        """Establish the outcomes of the outside calls of a durable step, which are then not made.

        Args:
            step: the name of the step.
            outcomes: the outcome of each next call: a result, or an exception that the call raises. The last one is also the
                outcome of later calls.
        """
        self._calls.give(step, *outcomes)

    @overload
    async def when(self, message: Command[R] | Query[R]) -> Outcome[R]: ...
    @overload
    async def when(self, message: Event, *, stream: str | None = None) -> Outcome[None]: ...
    async def when(self, message: Message, *, stream: str | None = None) -> Outcome[Any]:
        """Dispatch a command, execute a query, or append an event. Return what happened until everything has settled.

        An error of the handler is in the outcome.

        Args:
            message: the message.
            stream: the stream to which an event is appended; by default a stream of its own.
        """
        return await self._step(type(message).__name__, lambda: self._send(message, stream), message)

    async def advance(self, duration: timedelta) -> Outcome[None]:
        """Move the clock of the application forward. Dispatch each scheduled command, and retry each event, at its time.

        Args:
            duration: the duration, which must not be negative.

        Raises:
            ConfigurationError: the clock of the application is not a `ManualClock`.
        """
        clock = self._app.clock
        if not isinstance(clock, ManualClock):
            raise ConfigurationError(
                "Scenario.advance: pass a ManualClock to the application: Application(..., clock=...)."
            )

        async def advance() -> None:
            end = clock.now() + duration
            while (due := await self._next_due()) is not None and due <= end:
                clock.set(max(clock.now(), due))
                await self._settle()
            clock.set(max(clock.now(), end))

        return await self._step(f"advance({duration})", advance)

    async def rows(self, view: type[V]) -> Sequence[V]:
        """Return all rows of a view, in the order of their keys."""
        transaction = await self._app.read.begin(read_only=True)
        try:
            return await transaction.rows(view).select(Selection(order_by=(Ordering(view.view_key),)))
        finally:
            await transaction.rollback()

    async def then_rows(self, view: type[V], *rows: V) -> None:
        """Check that a view has exactly these rows, in any order.

        Raises:
            AssertionError: it has other rows. The text is a diff.
        """
        expected = sorted(rows, key=lambda row: repr(getattr(row, view.view_key)))
        actual = sorted(await self.rows(view), key=lambda row: repr(getattr(row, view.view_key)))
        check_equal(f"the rows of {view.__name__}", expected, actual)

    async def _note(self, message: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        self._dispatched.append(message)
        return await call_next(message)

    async def _send(self, message: Message, stream: str | None) -> Any:
        if isinstance(message, Event):
            return await self._in_unit(lambda unit: unit.record(message, stream=stream))
        if isinstance(message, Query):
            return await self._app.execute(message)
        return await self._app.dispatch(cast(Command[Any], message))

    async def _step(
        self, subject: str, work: Callable[[], Awaitable[Any]], sent: Message | None = None
    ) -> Outcome[Any]:
        self._raise_unchecked()
        before, error, result = await self._app.write.log.head(), None, None
        self._dispatched.clear()
        self._calls.made.clear()
        try:
            result = await work()
        except Exception as raised:  # noqa: BLE001 -- the outcome raises it, unless the test checks it
            error = raised
        await self._settle()
        self._last = Outcome(
            subject=subject, result=result, error=error, events=await self._events(before),
            commands=[each for each in self._dispatched if each is not sent], scheduled=await self._scheduled(),
            failed=await self._failed(), calls=list(self._calls.made), checked=self._checked,
        )  # fmt: skip
        self._checked.discard("error")
        return self._last

    @property
    def _running(self) -> Running:
        return self._app._started()

    async def _settle(self) -> None:
        running = self._running
        running.assembly.services.scheduled.send()
        running.notifications.appended.send()
        with anyio.move_on_after(self._timeout) as scope:
            await settled(running, retries=False)
        if scope.cancelled_caught:
            await self._app.settle(timeout=0)  # raises, and names what is missing

    async def _in_unit(self, work: Callable[[UnitOfWork], object]) -> None:
        services = self._running.assembly.services
        scope = open_scope(services, None, services.conversations.open(Origin(), None))

        async def record(_: object) -> None:
            work(scope.unit_of_work())

        await in_own_unit(scope, record)

    async def _events(self, after: Position) -> Sequence[Event]:
        log, types, found = self._app.write.log, self._running.assembly.event_types, list[Event]()
        event = (await log.ids([after])).get(after) if after > START else None
        while (page := await log.read_all(after=after, event=event, limit=1_000)).last > after:
            types.learn(each for each in stored_types(Event) if each.message_name in _unknown(types, page))
            found += [
                types.decode(each.name, each.schema, each.data)
                for each in page.events
                if each.name not in _OF_PROCESSES
            ]
            after, event = page.last, page.event
        return found

    async def _scheduled(self) -> Sequence[Scheduled]:
        decode, now = self._running.assembly.services.command_types.decode, self._app.clock.now()
        return [
            Scheduled(decode(each.name, each.schema, each.data), each.due - now)
            for each in await self._app.operations.scheduled(limit=_LONGEST_SCHEDULE)
            if each.name != ProcessTimeout.message_name
        ]

    async def _failed(self) -> Sequence[Failed]:
        decode = self._running.assembly.event_types.decode
        return [
            Failed(
                worker.subscription.name, decode(each.event.name, each.event.schema, each.event.data), each.reason,
                each.again is not None,
            )
            for worker in self._running.workers
            for each in await worker.subscription.store.parked.read(worker.subscription.name)
        ]  # fmt: skip

    async def _next_due(self) -> datetime | None:
        """Return when the next scheduled command or retry is due."""
        times = [each.again for each in await self._app.operations.scheduled(limit=1) if each.again is not None]
        for worker in self._running.workers:
            times += (await worker.subscription.store.parked.retries(worker.subscription.name)).values()
        return min(times, default=None)

    def _raise_unchecked(self) -> None:
        if self._last is not None:
            self._last.raise_unchecked()

    def _raise_failed(self, failed: Sequence[Failed]) -> None:
        unchecked = [each for each in failed if each.subscription not in self._checked]
        if unchecked:
            found = "\n".join(f"  {each.subscription}: {each.event!r}: {each.reason}" for each in unchecked)
            raise AssertionError(
                f"subscriptions could not process these events. Check an expected failure with then_fails.\n{found}"
            )


def _unknown(types: EventTypes, page: LogPage) -> set[str]:
    """Return the names of events that no handler names, such as those that only boundaries read and append."""
    return {each.name for each in page.events if types.known(each.name) is None}


def _begin(unit: UnitOfWork, aggregate_type: type[Aggregate], events: Sequence[Message]) -> None:
    first, *later = (_event(each) for each in events)
    aggregate = aggregate_type.begin(first)
    for event in later:
        aggregate.record(event)
    unit.add(aggregate)


def _event(message: Message) -> Event:
    if not isinstance(message, Event):
        raise TypeError(
            f"given(aggregate=...): {type(message).__name__} is not an event. Pass the events of the aggregate."
        )
    return message
