"""A simulation: processes, their clients and the world outside, under one schedule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from ..._application.application import Application
from ..._definitions.message import Command, Query
from ..._definitions.view import View
from ...errors import CommitUnknown, ReadNotReady, TransientFailure
from ...ports.clock import Clock, Ids
from ...ports.rows import Ordering, Selection
from ...ports.stores import WriteStore
from .choices import Choices
from .loop import VirtualLoop
from .outside import outside
from .simulated_process import ProcessCrashed, SimulatedProcess
from .store import SimulatedStore

R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V", bound=View)

_START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

_PATIENCE: Final = 0.2
"""Virtual seconds until a client repeats a command whose outcome it does not know."""


class StoreFactory(Protocol):
    """Creates the store of a simulation, such as `InMemory`."""

    def __call__(self, *, clock: Clock) -> WriteStore:
        """Return a new store that takes its time from a clock."""
        ...


class VirtualClock:
    """The time of a simulation."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual time, in UTC."""
        return _START + timedelta(seconds=self._loop.time())


class CountedIds:
    """Identifiers that are the same in each run."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> UUID:
        """Return the next identifier: a UUIDv7 whose random part is a number."""
        return UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 | next(self._numbers) << 80)


class Simulation:
    """One run of a scenario. A scenario starts processes, sends commands and queries, and checks what must hold.

    Attributes:
        clock: the virtual time.
        ids: identifiers that are the same in each run.
    """

    clock: Clock
    ids: Ids

    def __init__(self, loop: VirtualLoop, choices: Choices, store: StoreFactory) -> None:
        self.clock, self.ids = VirtualClock(loop), CountedIds()
        self._loop = loop
        self._choices = choices
        self._store = store(clock=self.clock)
        self._processes: list[SimulatedProcess] = []
        self._next: cycle[SimulatedProcess] = cycle(())

    async def start(self, build: Callable[[SimulatedProcess], Application], *, processes: int = 1) -> None:
        """Start processes that share the store.

        Args:
            build: builds the application of a process, again after each crash, with the store, the clock and the identifiers
                of the process: `Application("shop", write=process.store, clock=process.clock, ids=process.ids)`. What must
                survive a crash is created outside of it.
            processes: the number of processes.
        """
        for _ in range(processes):
            process = SimulatedProcess(self._loop, self._choices, self.clock, self.ids)
            process.store = cast(WriteStore, SimulatedStore(self._store, process))
            self._processes.append(process)
            process.start(build)
        self._next = cycle(self._processes)

    def client(self) -> Client:
        """Return a client with a session of its own. Its calls go to each process in turn."""
        return Client(lambda: next(self._next))

    def outside(self, target: T, name: str = "") -> T:
        """Return an object of the outside world, whose async methods are points: a payment provider, a mail server.

        A call may be delayed. The process may crash before the call, or after it took effect.

        Args:
            target: the object.
            name: its name in schedules; by default the name of its class.
        """
        return outside(target, name or type(target).__name__, self._process_of_task)

    def _process_of_task(self) -> SimulatedProcess | None:
        return next((each for each in self._processes if each.runs_current_task()), None)

    async def settle(self) -> None:
        """End all faults, and return when every process runs and nothing is left to do.

        Raises:
            AssertionError: an event was parked, or a scheduled command is stuck.
        """
        self._choices.calm = True
        for process in self._processes:
            await process.call(_settle)
        await self._processes[0].call(_check_nothing_parked)

    async def rows(self, view: type[V]) -> Sequence[V]:
        """Return the committed rows of a view, in the order of their keys."""
        async with self._reading() as transaction:
            found: Sequence[V] = await transaction.rows(view).select(Selection(order_by=(Ordering(view.view_key),)))
        return found

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        transaction = await self._store.begin(read_only=True)
        try:
            yield transaction
        finally:
            await transaction.rollback()

    async def end(self) -> None:
        """End all processes."""
        for process in self._processes:
            await process.stop()


class Client:
    """A client with a session: its queries see what its commands wrote.

    Args:
        process: returns the process for the next call.
    """

    def __init__(self, process: Callable[[], SimulatedProcess]) -> None:
        self._process = process
        self._token: str | None = None

    async def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> R:
        """Dispatch a command.

        With an idempotency key, the client repeats the command until it knows the outcome.

        Raises:
            ProcessCrashed: the process crashed, and there is no idempotency key.
            CommitUnknown: the outcome is unknown, and there is no idempotency key.
            TransientFailure: the command had no effect, and there is no idempotency key.
        """
        while True:
            try:
                return await self._process().call(lambda app: self._dispatch(app, command, idempotency_key))
            except (ProcessCrashed, CommitUnknown, TransientFailure):
                if idempotency_key is None:
                    raise
            await asyncio.sleep(_PATIENCE)

    async def execute(self, query: Query[R]) -> R:
        """Execute a query, again after a crash, a failure of the store, or a wait for a read model that was too long."""
        while True:
            try:
                return await self._process().call(lambda app: self._execute(app, query))
            except (ProcessCrashed, ReadNotReady, TransientFailure):
                await asyncio.sleep(_PATIENCE)

    async def _dispatch(self, app: Application, command: Command[R], key: str | None) -> R:
        async with app.session(self._token) as session:
            result = await session.dispatch(command, idempotency_key=key)
            self._token = session.token
            return result

    async def _execute(self, app: Application, query: Query[R]) -> R:
        async with app.session(self._token) as session:
            answer = await session.execute(query)
            self._token = session.token
            return answer


async def _settle(app: Application) -> None:
    await app.settle(timeout=3600)


async def _check_nothing_parked(app: Application) -> None:
    parked = [
        f"{each.name}: {each.parked} parked" for each in await app.operations.status() if each.parked > each.retrying
    ]
    stuck = [f"{each.name} is stuck: {each.reason}" for each in await app.operations.stuck()]
    if parked or stuck:
        raise AssertionError("\n".join(["the application gave up on:", *parked, *stuck]))
