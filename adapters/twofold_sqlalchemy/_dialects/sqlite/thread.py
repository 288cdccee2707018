"""The thread on which the statements of one connection run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

Task: TypeAlias = tuple[asyncio.Future[Any] | None, Callable[[], Any]]
"""The future that receives the outcome, if any, and the function to call."""


class TaskThread:
    """A thread that calls functions in the order of `tasks`, and the queue itself.

    Attributes:
        tasks: the queue. None ends the thread.
        thread: the thread. It does not keep the process alive.
    """

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.thread = Thread(target=_work, args=(self.tasks,), name="twofold-sqlite", daemon=True)
        self.thread.start()

    def submit(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call a function on the thread. Return the future of its outcome."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.tasks.put((future, function))
        return future


def _work(tasks: SimpleQueue[Task | None]) -> None:
    while (task := tasks.get()) is not None:
        future, function = task
        try:
            result, error = function(), None
        except BaseException as raised:  # noqa: BLE001 -- whatever it is, the caller must not wait forever
            result, error = None, raised
        if future is not None:
            with suppress(RuntimeError):  # the event loop is closed, so nothing waits for the outcome
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
        # The next `get` may wait for long. It must not keep this task's objects, such as the connection, alive.
        del task, future, function, result, error


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
