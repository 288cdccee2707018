"""The application: handlers, and where data lives, in one object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from .._background.clock import SystemClock, UuidV7
from .._buses.chain import Middleware
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Origin
from .._definitions.message import Command, Message, Query
from .._definitions.retry import Retry
from .._dispatch.session import DEFAULT_TIMEOUT, Session
from .._registration.entries import MiddlewareEntry
from .._registration.integration import here
from .._registration.places import calling_frame
from .._registration.router import Router
from .._wiring.options import check_options, check_parts
from .._wiring.parts import Parts
from ..errors import ApplicationNotRunning, WiringError
from ..ports.cache import CacheStore
from ..ports.clock import Clock, Ids
from ..ports.notifier import Notifier
from ..ports.requests import Requests
from ..ports.stores import ReadStore, WriteStore
from ..ports.transport import Transport
from .health import Health, health
from .operations import Operations

if TYPE_CHECKING:
    from .._wiring.assembly import Assembly
    from .running import Running

R = TypeVar("R")


class Application(Router):
    """Composes handlers with the stores that hold their data; the one place that says where data lives.

        app = Application("orders", write=SqlAlchemy(engine))

        async with app:
            async with app.session() as session:
                order_id = await session.dispatch(PlaceOrder(...))
                order = await session.execute(GetOrder(order_id=order_id))

    Entering it checks the wiring, opens the stores and starts the subscriptions; leaving it stops them. It may be
    entered and left in different tasks of one event loop, and entered again.

    Args:
        name: what the application is called.
        write: the store of events and aggregates.
        read: the store of read models; the write store by default. Who made a store's client closes it.
        transport: the broker that carries events to and from other applications. An application starts while it is away,
            and connects when it is back; `health()` says so until then.
        cache: where answers of queries are kept that say `cache=`; they are loaded each time without one.
        notifications: what tells other processes of new events, where the write store cannot or should not do that itself.
        requests: what carries the commands and queries that it serves; the transport by default, when it can. Redis
            Streams cannot: say `requests=RabbitMQ(url)` beside them. Who made it closes it.
        event_sourced: the aggregates whose events are their state. All others are state stored.
        container: a `dependency_injector` container that provides what handlers ask for besides.
        middleware: runs around every message, the first one outermost.
        work: whether this process runs the subscriptions. A process that only answers says False.
        keep_records: how long idempotency keys and the ids of received messages are remembered at least; None for ever.
        retry_scheduled: how often a scheduled command is tried whose handler fails.
        lease: how long, in seconds, other processes wait before they take over the subscriptions of one that died.
        clock: the time; the system's by default.
        ids: makes identifiers; UUIDv7 by default.

    Raises:
        ConfigurationError: an argument is something else than it should be.
    """

    def __init__(
        self,
        name: str,
        *,
        write: WriteStore,
        read: ReadStore | None = None,
        transport: Transport | None = None,
        requests: Requests | None = None,
        cache: CacheStore | None = None,
        notifier: Notifier | None = None,
        event_sourced: Sequence[type[Aggregate]] = (),
        container: Any = None,
        middleware: Sequence[Middleware] = (),
        work: bool = True,
        keep_records: timedelta | None = timedelta(days=7),
        retry_scheduled: Retry = Retry(attempts=8, delay=1.0, longest=60.0),
        lease: float = 3.0,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        super().__init__(name)
        check_parts(
            write=write, read=read, transport=transport, requests=requests, cache=cache, notifier=notifier,
            container=container, clock=clock, ids=ids,
        )  # fmt: skip
        aggregates = check_options(event_sourced, keep_records, lease, retry_scheduled, middleware)
        if requests is None and isinstance(transport, Requests):
            requests = transport
        self.write = write
        self.read: ReadStore = write if read is None else read
        self.clock: Clock = clock or SystemClock()
        self._parts = Parts(
            registered=self._registered, write=write, read=self.read, transport=transport, requests=requests, cache=cache,
            notifier=notifier, event_sourced=aggregates, container=container, work=work, keep_records=keep_records,
            retry_scheduled=retry_scheduled, lease=lease, clock=self.clock, ids=ids or UuidV7(),
        )  # fmt: skip
        self._running: Running | None = None
        self.operations = Operations(self._started)
        """What operators do: inspect, repair and rebuild subscriptions, schedule and caches."""
        place = here(calling_frame(1))
        self._registered.middleware.extend(
            MiddlewareEntry(middleware=each, on=Message, place=place) for each in middleware
        )

    def check(self) -> None:
        """Look for every fault in the wiring. Starting does this too; a test may do it alone.

        Raises:
            WiringError: with all the faults, each with file and line.
        """
        assembly = self._assemble()
        if assembly.faults:
            raise WiringError(sorted(assembly.faults))

    def explain(self, message_type: type[Message]) -> str:
        """Return the way of a message as text: its middleware, its unit of work, its handler and what that is given.

        Raises:
            NoHandler: nothing handles this message.
        """
        from .._wiring.explain import explain

        return explain(self.name, self._assemble(), message_type)

    async def create_schema(self) -> None:
        """Create the tables that the stores lack, for their own use and for the read models. Existing ones stay."""
        if self.read is not self.write:
            await self.write.create_schema(())  # rows are kept in the other one
        await self.read.create_schema(self._assemble().views)

    def session(
        self,
        token: str | None = None,
        *,
        tenant: str | None = None,
        trace: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Session:
        """Open a session for the current task.

        Args:
            token: `Session.token` of an earlier session, perhaps in another process: this one sees what that one wrote.
            tenant: whose data its messages concern.
            trace: the W3C trace context of the caller.
            headers: anything else to keep with its messages.

        Raises:
            InvalidToken: the token is not one.
            ForeignLog: the token belongs to another log.
            ApplicationNotRunning: the application is not entered.
        """
        origin = Origin(tenant=tenant, trace=trace or {}, headers=headers or {})
        return self._started().session(origin, token)

    def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> Coroutine[Any, Any, R]:
        """Handle one command in a session of its own; see `Session.dispatch`."""
        if idempotency_key is not None:
            return self.session().dispatch(command, idempotency_key=idempotency_key)
        running = self._running or self._started()
        pipeline = running.pipelines.get(type(command))
        return running.commands.dispatch(command) if pipeline is None else pipeline.handle(command)

    async def execute(self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None) -> R:
        """Answer one query in a session of its own; see `Session.execute`."""
        if after is None:
            return await self._started().assembly.services.queries.execute(query)
        return await self.session().execute(query, timeout=timeout, after=after)

    async def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query in a session of its own; see `Session.stream`."""
        async with aclosing(self.session().stream(query, timeout=timeout, after=after)) as items:
            async for item in items:
                yield item

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ApplicationNotRunning(f"the application {self.name!r} is running already. Enter it once at a time.")
        assembly = self._assemble()
        if assembly.faults:
            raise WiringError(sorted(assembly.faults))
        from .running import launch

        self._running = await launch(self._parts, assembly)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            try:
                await self._running.close()
            finally:
                self._running = None

    async def settle(self, *, timeout: float = 30.0) -> None:
        """Return when every subscription has passed the whole log, no event waits for a retry, and nothing is appended.

        Parked events do not count. A broker that is away may have messages, so `settle` waits for it. The application's
        clock decides whether a retry is due.

        Args:
            timeout: how long to wait, in seconds.

        Raises:
            TimeoutError: the subscriptions have not settled by then. The text names the position of each, and what
                `health` reports.
        """
        running = self._started()
        try:
            with anyio.fail_after(timeout):
                await running.settle()
        except TimeoutError as error:
            found = ", ".join(
                f"{each.name}: {each.lag} behind, {each.retrying} retrying, {each.state}"
                for each in await self.operations.status()
            )
            wrong = "".join(f" {problem}." for problem in (await self.health()).problems)
            raise TimeoutError(f"the subscriptions did not settle within {timeout} s ({found}).{wrong}") from error

    async def health(self) -> Health:
        """Return what a probe needs: problems, the state of each subscription, and transactions that delay readers."""
        return await health(self._started())

    def _started(self) -> Running:
        if self._running is None:
            raise ApplicationNotRunning(
                f"the application {self.name!r} is not running. Use it inside `async with app:`."
            )
        return self._running

    def _assemble(self) -> Assembly:
        from .._wiring.assembly import assemble  # what runs an application is loaded when one is checked or entered

        return assemble(self._parts)
