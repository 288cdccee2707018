"""Which task is running: asyncio's or trio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial


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
            self.get = partial(asyncio.current_task, asyncio.get_running_loop())
        except RuntimeError:
            from trio.lowlevel import current_task as current_trio_task

            self.get = current_trio_task
