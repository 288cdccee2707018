"""Background work that belongs to no task of the user."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio

logger = logging.getLogger("twofold.supervisor")


class Supervisor:
    """Runs background jobs, each in a task of its own, under asyncio and trio.

    Starting and stopping may happen in different tasks of one event loop, as fixtures and lifespan handlers do it; a
    task group could not. A job that ends by an error is logged and kept in `failures`; the others go on.
    """

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        """What jobs ended with that should not have ended."""
        self._scopes: list[anyio.CancelScope] = []
        self._endless: list[anyio.CancelScope] = []
        self._running = 0
        self._idle: anyio.Event | None = None
        self._tasks: set[object] = set()

    def start(self, job: Callable[[], Coroutine[Any, Any, None]], *, endless: bool = False) -> None:
        """Start a job.

        Args:
            job: what to run.
            endless: it does not end by itself; it is cancelled as soon as the others are asked to end.
        """
        scope = anyio.CancelScope()
        (self._endless if endless else self._scopes).append(scope)
        self._running += 1
        self._spawn(self._supervise, job, scope)

    async def stop(self, seconds: float) -> None:
        """Wait for all jobs to end by themselves, and cancel those that have not.

        Args:
            seconds: how long to wait before cancelling.
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
            logger.exception("a background job ended by a failure")
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
