"""Background jobs of an application."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio

logger = logging.getLogger("twofold.supervisor")


class Supervisor:
    """Runs background jobs, each in a task of its own, on asyncio and trio.

    Unlike a task group, a supervisor may be started and stopped in different tasks of one event loop, as fixtures and
    lifespan handlers do. If a job fails, the error is logged and added to `failures`; the other jobs continue.
    """

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        """The errors of jobs that failed."""
        self._scopes: list[anyio.CancelScope] = []
        self._endless: list[anyio.CancelScope] = []
        self._running = 0
        self._idle: anyio.Event | None = None
        self._tasks: set[object] = set()

    def start(self, job: Callable[[], Coroutine[Any, Any, None]], *, endless: bool = False) -> None:
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

    async def _supervise(self, job: Callable[[], Coroutine[Any, Any, None]], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await job()
        except Exception as failure:
            self.failures.append(failure)
            logger.exception("a background job failed")
        finally:
            self._running -= 1
            if self._idle is not None:
                self._idle.set()

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio

            trio.lowlevel.spawn_system_task(function, *args)
            return
        task = loop.create_task(function(*args), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
