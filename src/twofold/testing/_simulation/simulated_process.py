"""A process of a simulation: it runs an application, and may end at any point."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from ..._application.application import Application
from ...errors import TwofoldError
from ...ports.clock import Clock, Ids
from ...ports.stores import WriteStore
from .choices import Choices
from .faults import Kind
from .loop import VirtualLoop

T = TypeVar("T")

_RESTART: Final = 0.1
"""Virtual seconds between the end of a process and its next start."""


class ProcessCrashed(TwofoldError):
    """The process crashed before it answered. The command may have taken effect."""


class SimulatedProcess:
    """A process that runs an application. After a crash it starts again, with a new application.

    Attributes:
        store: the store of the simulation, as this process sees it.
        clock: the clock of the simulation.
        ids: the identifiers of the simulation, the same in each run.
        app: the application that runs.
    """

    store: WriteStore
    app: Application

    def __init__(self, loop: VirtualLoop, choices: Choices, clock: Clock, ids: Ids) -> None:
        self.clock = clock
        self.ids = ids
        self._loop = loop
        self._choices = choices
        self._incarnation = object()  # owns the tasks of the process until it crashes
        self._incarnations = {self._incarnation}
        self._started = asyncio.Event()
        self._restarting: asyncio.Task[None] | None = None
        self._stopped = False
        self._build: Callable[[SimulatedProcess], Application] | None = None

    async def at(self, label: str, kinds: tuple[Kind, ...]) -> Kind | None:
        """Pass a point: be delayed, crash, or return what else happens.

        Raises:
            CancelledError: the process has crashed.
        """
        incarnation = self._owner()
        if incarnation in self._loop.ended:
            raise CancelledError
        fault = self._choices.at(label, kinds)
        if fault is None:
            return None
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            if incarnation in self._loop.ended:
                raise CancelledError
            return None
        if fault.kind == "crash":
            self.crash()
        return fault.kind

    def runs_current_task(self) -> bool:
        """Return whether the running task belongs to this process, before or after its crash."""
        return self._loop.owners.get(cast(Any, asyncio.current_task(self._loop))) in self._incarnations

    def _owner(self) -> object:
        return self._loop.owners.get(cast(Any, asyncio.current_task(self._loop)), self._incarnation)

    def crash(self) -> None:
        """End the process immediately, and start it again later.

        Raises:
            CancelledError: always.
        """
        self.end()
        self._loop.call_soon(self._restart)
        raise CancelledError

    def end(self) -> None:
        """End the process immediately. None of its tasks reaches the store any more."""
        self._started.clear()
        self._loop.end(self._incarnation)

    def start(self, build: Callable[[SimulatedProcess], Application]) -> None:
        """Start the process with the application that a function builds."""
        self._build = build
        self._own(self._start())

    def _restart(self) -> None:
        self._restarting = self._loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        await self._ended()
        await asyncio.sleep(_RESTART)
        if self._stopped:
            return
        self._incarnation = object()
        self._incarnations.add(self._incarnation)
        self._own(self._start())

    async def _start(self) -> None:
        """Start the application, again and again while the store fails. A crash cancels it."""
        build = cast(Callable[[SimulatedProcess], Application], self._build)
        while True:
            self.app = build(self)
            try:
                await self.app.__aenter__()  # a crashed process leaves nothing in good order
            except TwofoldError:
                if self._choices.calm:
                    raise
                await asyncio.sleep(_RESTART)
                continue
            self._started.set()
            return

    async def stop(self) -> None:
        """End the process permanently."""
        self._stopped = True
        self.end()
        await self._ended()
        if self._restarting is not None:
            await self._restarting

    async def _ended(self) -> None:
        while tasks := [task for task, owner in self._loop.owners.items() if owner is self._incarnation]:
            await asyncio.wait(tasks)

    async def call(self, work: Callable[[Application], Awaitable[T]]) -> T:
        """Call the application in a task of the process, once the process has started.

        Raises:
            ProcessCrashed: the process crashed before the result was known.
        """
        while not self._started.is_set():
            await self._started.wait()
        incarnation = self._incarnation
        task = self._own(_awaited(work, self.app))
        await asyncio.wait([task])
        if incarnation in self._loop.ended:
            raise ProcessCrashed("the process crashed before it answered")
        return task.result()

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._loop.create_task(work)
        self._loop.own(task, self._incarnation)
        return task


async def _awaited(work: Callable[[Application], Awaitable[T]], app: Application) -> T:
    return await work(app)
