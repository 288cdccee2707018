"""The tasks of an application: its background jobs, which are restarted after a failure, and the running task."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import Any, Final

import anyio

from .backoff import Backoff
from .failures import contained
from .log_lines import logger_of
from .signal import Signal

logger = logger_of("twofold.supervisor")

_STEADY: Final = 60.0
"""The backoff starts again after a job has run for this many seconds. Until then `failures` reports its last failure."""

_LAST: Final = 30.0
"""The longest delay before a restart, in seconds."""

Job = Callable[[], Coroutine[Any, Any, None]]


class Supervisor:
    """Runs background jobs, each in a task of its own, on asyncio and trio.

    Unlike a task group, a supervisor may be started and stopped in different tasks of one event loop, as fixtures and
    lifespan handlers do. A job that raises is restarted with backoff, whatever it raises; the other jobs continue.
    """

    def __init__(self) -> None:
        self._failed: dict[Job, tuple[float, Exception]] = {}
        self._scopes: list[anyio.CancelScope] = []
        self._endless: list[anyio.CancelScope] = []
        self._running = 0
        self._idle: anyio.Event | None = None
        self._tasks: set[object] = set()
        self._stopping = False
        self._stopped = Signal()

    @property
    def failures(self) -> list[Exception]:
        """The errors of the jobs that failed within the last minute."""
        now = anyio.current_time()
        return [error for at, error in self._failed.values() if now - at < _STEADY]

    def start(self, job: Job, *, endless: bool = False) -> None:
        """Start a job.

        Args:
            job: the job.
            endless: whether the job runs until it is cancelled. `stop` cancels it before it waits for the other jobs.
        """
        scope = anyio.CancelScope()
        (self._endless if endless else self._scopes).append(scope)
        self._running += 1
        self._spawn(self._supervise, job, scope)

    async def stop(self, seconds: float) -> None:
        """Wait until all jobs have ended, and cancel the jobs that have not ended in time.

        Args:
            seconds: how long to wait before jobs are cancelled, in seconds.
        """
        self._stopping = True
        self._stopped.send()
        for scope in self._endless:
            scope.cancel()
        with anyio.move_on_after(seconds):
            await self._all_ended()
        for scope in self._scopes:
            scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._all_ended()
        self._scopes.clear()
        self._endless.clear()

    async def _all_ended(self) -> None:
        while self._running:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def _supervise(self, job: Job, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._restarting(job)
        finally:
            self._running -= 1
            if self._idle is not None:
                self._idle.set()

    async def _restarting(self, job: Job) -> None:
        backoff = Backoff(last=_LAST)
        while True:
            began = anyio.current_time()
            try:
                with contained():
                    return await job()
            except Exception as failure:
                if anyio.current_time() - began > _STEADY:
                    backoff.reset()
                self._failed[job], delay = (anyio.current_time(), failure), backoff.next()
                logger.exception("a background job failed and is restarted in %.2f s", delay)
            await self._stopped.wait(0, delay)
            if self._stopping:
                return None

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio

            trio.lowlevel.spawn_system_task(function, *args)
            return
        task = loop.create_task(function(*args), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def current_task() -> object:
    """Return the running task, an object that only that task returns."""
    try:
        task: object = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is not None:
        return task
    from trio.lowlevel import current_task as current_trio_task

    return current_trio_task()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running event loop of asyncio, or None on trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class RunningTask:
    """Return the running task of one event loop, which is known once `start` was called in it.

    Python 3.11 makes a system call to find the event loop of a thread. An object that checks the task for each message
    therefore remembers the loop.
    """

    def __init__(self) -> None:
        self.get: Callable[[], object] = current_task
        """Returns the running task."""

    def start(self) -> None:
        """Remember the event loop that is running now."""
        try:
            # As a method, which is called faster than a `partial`.
            self.get = MethodType(asyncio.current_task, asyncio.get_running_loop())
        except RuntimeError:
            from trio.lowlevel import current_task as current_trio_task

            self.get = current_trio_task
