"""An event loop of asyncio in virtual time: it never waits, and runs the same program in the same order each time."""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_THREAD_TIMEOUT: Final = 30.0
"""Seconds of real time that a function in a worker thread may take."""


class Stalled(Exception):
    """Every task waits for something that cannot happen any more, or the tasks never come to rest."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Run callbacks in the order of their times, and move the time forward when none is ready.

    A function in a worker thread takes no virtual time: the time does not move before its result is known.

    Args:
        longest: the virtual time at which `run` gives up, in seconds.
    """

    def __init__(self, longest: float) -> None:
        self.owners: dict[asyncio.Task[Any], object] = {}
        """The owner of each task. A task belongs to the owner of the task that created it."""
        self.ended: set[object] = set()
        """The owners that have ended. A task that is created for one of them is cancelled."""
        self.errors: list[dict[str, Any]] = []
        """The errors that tasks and callbacks reported to the loop."""
        self._longest = longest
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._from_threads: SimpleQueue[asyncio.Handle] = SimpleQueue()
        self._threads: CapacityLimiter | None = None
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self._generators: set[AsyncGenerator[Any, Any]] = set()
        self._running = False
        self._closed = False

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end.

        Raises:
            Stalled: nothing can happen any more, or the longest virtual time has passed.
        """
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._generators.add, self._close_generator)
        events._set_running_loop(self)
        self._running = True
        try:
            task = self.create_task(self._counting_threads(main))
            while not task.done():
                self._step()
            return task.result()
        finally:
            self._running = False
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    async def _counting_threads(self, main: Coroutine[Any, Any, T]) -> T:
        self._threads = current_default_thread_limiter()  # only known inside a task
        return await main

    def _step(self) -> None:
        if not self._ready:
            if self._threads is not None and self._threads.borrowed_tokens:
                self._ready.append(self._from_threads.get(timeout=_THREAD_TIMEOUT))
                return
            if not self._timers:
                raise Stalled("every task waits for something that never happens")
            if self._timers[0][0] > self._longest:
                raise Stalled(f"the application is not at rest after {self._longest:g} s of virtual time")
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                self._ready.append(heappop(self._timers)[2])
        handle = self._ready.popleft()
        if not handle.cancelled():
            handle._run()

    def time(self) -> float:
        """Return the virtual time, in seconds since the start."""
        return self._now

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after those that are ready."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback of another thread."""
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.put(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after a number of seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time. Callbacks of the same time run in the order of the calls."""
        handle = asyncio.TimerHandle(when, callback, list(args), self, context)
        heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is skipped when it is due."""

    def create_future(self) -> asyncio.Future[Any]:
        """Create a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:  # fmt: skip
        """Create a task that belongs to the owner of the running task."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        current = asyncio.current_task(self)
        owner = None if current is None else self.owners.get(current)
        if owner is not None:
            self.own(task, owner)
        return task

    def own(self, task: asyncio.Task[Any], owner: object) -> None:
        """Give a task an owner."""
        self.owners[task] = owner
        task.add_done_callback(self._disown)
        if owner in self.ended:
            self.call_soon(task.cancel)

    def end(self, owner: object) -> None:
        """Cancel the tasks of an owner, now and later. A task is cancelled after its first step, as anyio expects."""
        self.ended.add(owner)
        current = asyncio.current_task(self)
        for task, each in list(self.owners.items()):
            if each is owner:
                if task is current:
                    task.cancel()
                else:
                    self.call_soon(task.cancel)

    def _disown(self, task: asyncio.Task[Any]) -> None:
        self.owners.pop(task, None)

    def is_running(self) -> bool:
        """Return whether the loop runs."""
        return self._running

    def is_closed(self) -> bool:
        """Return whether the loop is closed."""
        return self._closed

    def close(self) -> None:
        """Close the loop, and forget everything that was to happen."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def get_debug(self) -> bool:
        """Return False."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Do nothing."""

    def get_task_factory(self) -> None:
        """Return None: tasks are those of asyncio."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Collect what tasks and callbacks report."""
        self.errors.append(context)

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.discard(generator)
        if not self._closed:
            self.create_task(generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that still exist."""
        generators, self._generators = self._generators, set()
        for generator in generators:
            await generator.aclose()


def virtual_loop(longest: float) -> VirtualLoop:
    """Create a loop. Sockets, signals and subprocesses, which it lacks, raise `NotImplementedError` as in asyncio."""
    loop: Any = VirtualLoop
    created: VirtualLoop = loop(longest)
    return created
