"""Which task is running: asyncio's or trio's."""

from __future__ import annotations

import asyncio


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
