"""Blocking calls of an application, for code without an event loop: Flask, Django, scripts."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any, Self, TypeVar
from weakref import WeakSet

from .._background.forks import after_fork
from .._background.private_loop import blocking, check_blocking, private_loop
from .._definitions.gathered import Gathered, Policy
from .._definitions.message import Command, Query
from .._dispatch.session import DEFAULT_TIMEOUT
from ..errors import ApplicationNotRunning
from .health import Health
from .sync_session import SyncSession, iterated

R = TypeVar("R")


class SyncApplication:
    """An application for callers that block: `app.sync`.

        app = Application("shop", write=SqlAlchemy(engine))

        @web.post("/orders")
        def place_order():
            with app.sync.session() as session:
                return session.dispatch(PlaceOrder(**request.json))

    All calls run in one private event loop of the process, in a thread of its own. The first call starts the loop and the
    application. The application stops when the process exits, or with `close`. Any number of threads may call at the same
    time.

    A forked process starts its own loop and application with its first call, over connections of its own. SQLite does not
    permit that a process forks while it has a database open: make the first call after the fork, or call `close` before it.

    If the application runs in another event loop of asyncio already, for example by the lifespan of a web application, the
    calls run there, and `close` does not stop it.

    Args:
        app: the `Application`.
        running_in: returns the event loop in which the application runs; None if it does not run.
        disconnect: closes the idle connections of the stores.
    """

    def __init__(
        self,
        app: Any,
        running_in: Callable[[], asyncio.AbstractEventLoop | None],
        disconnect: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._app = app
        self._running_in = running_in
        self._disconnect = disconnect
        self._lock = Lock()
        self._started = False

    def start(self) -> None:
        """Start the application, if it is not running. Every other call does this first.

        Raises:
            WiringError: the application has faults.
            SchemaMissing: a store lacks tables.
            TransientFailure: a store does not answer.
            BlockingCall: an event loop runs in this thread, or a handler called this thread.
            ApplicationNotRunning: the process exits.
        """
        self._loop()

    def close(self) -> None:
        """Stop the application and close its connections, if a call of this object has started it.

        A later call starts it again.
        """
        check_blocking()
        with self._lock:
            if self._started:
                self._started = False
                blocking(private_loop.loop(), self._stop)

    def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> R:
        """Handle one command in a session of its own; see `Session.dispatch`."""
        result: R = self.run(lambda: self._app.dispatch(command, idempotency_key=idempotency_key))
        return result

    def execute(self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None) -> R:
        """Answer one query in a session of its own; see `Session.execute`."""
        result: R = self.run(lambda: self._app.execute(query, timeout=timeout, after=after))
        return result

    def gather(
        self,
        query: Query[R],
        *,
        policy: Policy = "all",
        timeout: float = DEFAULT_TIMEOUT,
        after: str | None = None,
    ) -> Gathered[R]:
        """Ask all answerers of a query in a session of its own; see `Session.gather`."""
        gathered: Gathered[R] = self.run(lambda: self._app.gather(query, policy=policy, timeout=timeout, after=after))
        return gathered

    def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> Generator[R]:
        """Iterate over the answer of a streaming query in a session of its own; see `Session.stream`.

        Close the generator (`contextlib.closing`) if you stop early: its read transaction stays open until then.
        """
        return iterated(self._loop, lambda: self._app.stream(query, timeout=timeout, after=after))

    def session(
        self,
        token: str | None = None,
        *,
        tenant: str | None = None,
        trace: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SyncSession:
        """Open a session; see `Application.session`."""
        loop = self._loop()
        return SyncSession(loop, self._app.session(token, tenant=tenant, trace=trace, headers=headers))

    def settle(self, *, timeout: float = 30.0) -> None:
        """Return when every subscription has passed the whole log; see `Application.settle`."""
        self.run(lambda: self._app.settle(timeout=timeout))

    def health(self) -> Health:
        """Return what a probe needs; see `Application.health`."""
        found: Health = self.run(self._app.health)
        return found

    def create_schema(self) -> None:
        """Create missing tables; see `Application.create_schema`. This does not start the application."""
        blocking(self._running_in() or private_loop.loop(), self._create_schema)

    def run(self, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Call an async function in the event loop of the running application, and return its result.

            statuses = app.sync.run(app.operations.status)

        If the wait is interrupted, for example by KeyboardInterrupt, the function is cancelled.
        """
        return blocking(self._loop(), function)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop in which the application runs. Start both if necessary."""
        check_blocking()
        with self._lock:
            if self._started:
                return private_loop.loop()
            if (other := self._running_in()) is not None:
                return other
            if _process.exits:
                raise ApplicationNotRunning(f"cannot start the application {self._app.name!r}: the process exits.")
            _process.add(self)
            after_fork(self, SyncApplication._forget)
            loop = private_loop.loop()
            blocking(loop, self._app.__aenter__)
            self._started = True
            return loop

    async def _stop(self) -> None:
        try:
            await self._app.__aexit__()
        finally:
            await self._disconnect()

    async def _create_schema(self) -> None:
        try:
            await self._app.create_schema()
        finally:
            if self._running_in() is None:
                await self._disconnect()

    def _forget(self) -> None:
        """Forget that the parent process has started the application."""
        self._lock, self._started = Lock(), False


class _Process:
    """The applications that blocking calls have started in this process.

    Attributes:
        exits: whether the process exits, so that nothing is started any more.
    """

    def __init__(self) -> None:
        self.exits = False
        self._applications: WeakSet[SyncApplication] = WeakSet()
        self._hooked = False

    def add(self, application: SyncApplication) -> None:
        """Stop an application at the exit of the process."""
        self._applications.add(application)
        if not self._hooked:
            self._hooked = True
            atexit.register(self._exit)

    def _exit(self) -> None:
        self.exits = True
        with ExitStack() as stack:
            stack.callback(private_loop.stop)
            for each in list(self._applications):
                stack.callback(each.close)


_process = _Process()
