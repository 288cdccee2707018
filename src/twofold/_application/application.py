"""The application: handlers and stores in one object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from .._background.calls import coroutine_function
from .._background.clock import SystemClock, UuidV7
from .._background.forks import after_fork
from .._buses.chain import EnvelopeMiddleware, Middleware
from .._buses.no_handler import no_handler
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Origin
from .._definitions.gathered import Gathered, Policy
from .._definitions.message import Command, Message, Query
from .._definitions.retry import Retry
from .._definitions.thresholds import DEFAULT_THRESHOLDS, Thresholds
from .._definitions.topology import Topology
from .._dispatch.session import DEFAULT_TIMEOUT, Session
from .._registration.entries import MiddlewareEntry
from .._registration.places import calling_frame, here
from .._registration.router import Router
from .._telemetry.options import Telemetry
from .._wiring.options import check_options, check_parts, check_telemetry
from .._wiring.parts import Parts
from ..errors import ApplicationNotRunning, WiringError
from ..ports.cache import CacheStore
from ..ports.clock import Clock, Ids
from ..ports.notifier import Notifier
from ..ports.requests import Requests
from ..ports.stores import ReadStore, WriteStore
from ..ports.transport import Transport
from .gauges import Gauges
from .health import Health, health
from .operations import Operations
from .sync import SyncApplication

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from .._wiring.assembly import Assembly
    from .running import Running

R = TypeVar("R")


class Application(Router):
    """Compose handlers with the stores that hold their data. This is the composition root.

        app = Application("orders", write=SqlAlchemy(engine))

        async with app:
            async with app.session() as session:
                order_id = await session.dispatch(PlaceOrder(...))
                order = await session.execute(GetOrder(order_id=order_id))

    `async with app` checks the wiring, opens the stores and starts the subscriptions; the end of the block stops them.
    An application can be entered and left in different tasks of one event loop, and entered again.

    Args:
        name: the name of the application. Other applications know it by this name.
        write: the store of events and aggregates.
        read: the store of read models; the write store by default. The caller that created a store's client closes it.
        transport: the broker that carries events to and from other applications. If the broker is unavailable, the
            application starts anyway and connects later; `health()` reports it until then.
        cache: the cache for queries that are registered with `cache=`. Without a cache, their handlers run each time.
        notifier: carries notifications of new events between processes, where the write store does not do so itself.
        requests: carries the commands and queries that the application serves; by default the transport, if it can.
            Redis Streams cannot: pass `requests=RabbitMQ(url)` as well. The caller that created it closes it.
        event_sourced: the aggregates whose events are their state. All others are state stored.
        container: a `dependency_injector` container that provides further parameters of handlers.
        middleware: runs around every message, the first one outermost.
        work: whether this process runs the subscriptions. Pass False in a process that only dispatches and queries.
        keep_records: the minimum time for which idempotency keys and ids of received messages are stored; None stores
            them permanently.
        retry_scheduled: how failing scheduled commands are retried.
        lease: the time in seconds after which other processes take over the subscriptions of a dead process.
        health: the lags and numbers above which `health()` reports a problem.
        telemetry: records spans and metrics with OpenTelemetry. By default it is on if a tracer or meter provider is set
            when the application starts; False switches it off.
        clock: the source of time, for tests. By default it is the system clock, except that scheduled commands and
            retries are due by the clock of the store that holds them.
        ids: creates identifiers; UUIDv7 by default.

    Raises:
        ConfigurationError: an argument has a wrong type or value.
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
        middleware: Sequence[Middleware | EnvelopeMiddleware] = (),
        work: bool = True,
        keep_records: timedelta | None = timedelta(days=7),
        retry_scheduled: Retry = Retry(attempts=8, delay=1.0, longest=60.0),
        lease: float = 3.0,
        health: Thresholds = DEFAULT_THRESHOLDS,
        telemetry: Telemetry | Literal[False] | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        super().__init__(name)
        check_parts(
            write=write, read=read, transport=transport, requests=requests, cache=cache, notifier=notifier,
            container=container, clock=clock, ids=ids,
        )  # fmt: skip
        aggregates = check_options(event_sourced, keep_records, lease, retry_scheduled, middleware, health)
        check_telemetry(telemetry)
        if requests is None and isinstance(transport, Requests):
            requests = transport
        self.write = write
        self.read: ReadStore = write if read is None else read
        self.clock: Clock = clock or SystemClock()
        self._parts = Parts(
            name=name, registered=self._registered, write=write, read=self.read, transport=transport, requests=requests,
            cache=cache, notifier=notifier, event_sourced=aggregates, container=container, work=work,
            keep_records=keep_records, retry_scheduled=retry_scheduled, lease=lease, health=health,
            telemetry=telemetry, clock=self.clock, ids=ids or UuidV7(),
        )  # fmt: skip
        self.work = work
        """Whether this process runs the subscriptions. It may be changed until the application is entered."""
        self._running: Running | None = None
        after_fork(self, Application._forget)
        self.operations = Operations(self._started, self._topology, write)
        """Operations: inspect, repair and rebuild subscriptions, schedule and caches."""
        self.sync = SyncApplication(self, self._running_in, self._disconnect)
        """Blocking calls, for code without an event loop: Flask, Django, scripts."""
        place = here(calling_frame(1))
        self._registered.middleware.extend(
            MiddlewareEntry(middleware=each, on=Message, place=place) for each in middleware
        )

    def check(self) -> None:
        """Check the wiring without starting. Entering the application does the same.

        Raises:
            WiringError: there are faults; the error lists all of them with file and line.
        """
        self._checked()

    def explain(self, message: type[Message] | str) -> str:
        """Return the pipeline of a message as text: middleware, unit of work, handler and injected parameters.

        Args:
            message: the class of a command, a query or an event, or its name.

        Raises:
            NoHandler: no handler is registered for this message.
        """
        from .._wiring.explain import explain

        return explain(self.name, self._assemble(), message)

    async def create_schema(self) -> None:
        """Create missing tables: those of the stores, and those of the read models. Existing tables stay unchanged."""
        if self.read is not self.write:
            await self.write.create_schema(())  # the rows are in the read store
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
            token: the consistency token of an earlier session, perhaps in another process, whose writes this session sees.
            tenant: the tenant whose data the messages concern.
            trace: the W3C trace context of the caller.
            headers: further metadata that is stored with the messages.

        Raises:
            InvalidToken: the text is not a consistency token.
            InvalidKey: the tenant, the trace or the headers are not texts that every store can keep.
            ForeignLog: the token belongs to another log.
            ApplicationNotRunning: the application has not been entered.
        """
        origin = Origin(tenant=tenant, trace=trace or {}, headers=headers or {})
        return self._started().session(origin, token)

    @coroutine_function
    def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> Coroutine[Any, Any, R]:
        """Handle one command in a session of its own; see `Session.dispatch`."""
        if idempotency_key is not None:
            return self._dispatch_once(command, idempotency_key)
        running = self._running or self._started()
        try:
            handle = running.handles[type(command)]
        except KeyError:
            raise no_handler("command", command, running.handles) from None
        return handle(command)

    async def _dispatch_once(self, command: Command[R], idempotency_key: str) -> R:
        """Open the session in the task that handles the command, which may be another one than the caller's."""
        return await self.session().dispatch(command, idempotency_key=idempotency_key)

    @coroutine_function
    def execute(
        self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> Coroutine[Any, Any, R]:
        """Answer one query in a session of its own; see `Session.execute`."""
        if after is not None:
            return self._execute_after(query, timeout, after)
        return (self._running or self._started()).queries.execute(query)

    async def _execute_after(self, query: Query[R], timeout: float, after: str) -> R:
        """Open the session in the task that executes the query, which may be another one than the caller's."""
        return await self.session().execute(query, timeout=timeout, after=after)

    async def gather(
        self,
        query: Query[R],
        *,
        policy: Policy = "all",
        timeout: float = DEFAULT_TIMEOUT,
        after: str | None = None,
    ) -> Gathered[R]:
        """Ask all answerers of a query in a session of its own; see `Session.gather`."""
        return await self.session().gather(query, policy=policy, timeout=timeout, after=after)

    async def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query in a session of its own; see `Session.stream`."""
        async with aclosing(self.session().stream(query, timeout=timeout, after=after)) as items:
            async for item in items:
                yield item

    async def subscribe(
        self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> AsyncGenerator[R]:
        """Iterate over the answer of a query after each change, in a session of its own; see `Session.subscribe`."""
        async with aclosing(self.session().subscribe(query, timeout=timeout, after=after)) as answers:
            async for answer in answers:
                yield answer

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ApplicationNotRunning(f"the application {self.name!r} is running already. Enter it once at a time.")
        assembly = self._checked()
        from .running import launch

        self._registered.running = True
        try:
            self._running = await launch(replace(self._parts, work=self.work), assembly)
            if assembly.services.recorder.on:
                self._running.supervisor.start(Gauges(self._running).run, endless=True)
        finally:
            self._registered.running = self._running is not None
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            try:
                await self._running.close()
            finally:
                self._running.assembly.services.recorder.flush()
                self._running, self._registered.running = None, False

    async def settle(self, *, timeout: float = 30.0) -> None:
        """Return when every subscription has passed the whole log, no event waits for a retry, and nothing is appended.

        Parked events do not count. An unavailable broker may have messages, so `settle` waits for it.

        Args:
            timeout: how long to wait, in seconds.

        Raises:
            TimeoutError: the subscriptions have not settled by then. The text names the position of each, and what
                `health` reports.
        """
        from .settling import settle  # keeps `import twofold` fast

        await settle(self._started(), self.operations, timeout)

    async def health(self, thresholds: Thresholds | None = None) -> Health:
        """Return what a probe needs: problems, the state of each subscription, and transactions that delay readers.

        A store that does not answer, or fails, is one of the problems.

        Args:
            thresholds: the lags and numbers above which there is a problem; by default those of the application.
        """
        running = self._started()
        return await health(running, running.parts.health if thresholds is None else thresholds)

    def _started(self) -> Running:
        if self._running is None:
            raise ApplicationNotRunning(
                f"the application {self.name!r} is not running. Use it inside `async with app:`."
            )
        return self._running

    def _running_in(self) -> AbstractEventLoop | None:
        """Return the event loop in which this process runs the application; None if it does not run."""
        return None if self._running is None else self._running.loop()

    async def _disconnect(self) -> None:
        """Close the idle connections of the stores."""
        for store in {id(each): each for each in (self.write, self.read)}.values():
            await store.disconnect()

    def _forget(self) -> object:
        """Forget that the parent of this process runs the application, and return what belongs to the parent."""
        running, self._running, self._registered.running = self._running, None, False
        return running

    def _topology(self) -> Topology:
        from .._wiring.topology import topology

        return topology(self.name, self._registered, self._assemble())

    def _checked(self) -> Assembly:
        assembly = self._assemble()
        if assembly.faults:
            raise WiringError(sorted(assembly.faults))
        return assembly

    def _assemble(self) -> Assembly:
        from .._wiring.assembly import assemble  # keeps `import twofold` fast

        for router in self._registered.included:
            self._registered.refresh(router)
        return assemble(self._parts)
