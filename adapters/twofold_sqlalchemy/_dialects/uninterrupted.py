"""Work that a cancellation must not cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> tuple[T, asyncio.CancelledError | None]:
    """Await work to its end, also while this task is being cancelled.

    Returns:
        The result, and the cancellation that arrived during the work. The caller raises it, or passes it to
        `cancel_later`.
    """
    task = asyncio.ensure_future(work)
    cancelled = await completed(task)
    if task.cancelled() or task.exception() is not None:
        cancel_later(cancelled)
    return task.result(), cancelled


async def completed(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until a future is done or has failed. Return the last cancellation of this task during the wait, if any."""
    cancelled: asyncio.CancelledError | None = None
    # The scope holds back anyio's cancellations, which would come again at each step; the loop outlasts asyncio's.
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await _done(future)
            except asyncio.CancelledError as error:
                cancelled = error
    if not future.cancelled():
        future.exception()  # looked at, so that asyncio does not report it as lost
    return cancelled


def _done(future: asyncio.Future[Any]) -> asyncio.Future[None]:
    """Return a future that ends with another one, and whose cancellation does not cancel the other one.

    It does what `asyncio.wait` does for one future, which every transaction awaits.
    """
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_: object) -> None:
        if not done.done():
            done.set_result(None)

    future.add_done_callback(end)
    return done


def cancel_later(cancelled: asyncio.CancelledError | None) -> None:
    """Raise a delayed cancellation at the next await of this task."""
    task = asyncio.current_task()
    if cancelled is not None and task is not None:
        task.uncancel()  # it was counted when it arrived
        task.cancel(*cancelled.args)
