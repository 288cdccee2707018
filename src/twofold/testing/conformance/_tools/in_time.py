"""Waiting in a suite: what does not come is a failure of the store, and never a test that hangs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

patience: ContextVar[float] = ContextVar("patience", default=6.0)
"""How long to wait for what should come soon, in seconds. Less where it is expected not to come."""


@contextmanager
def in_time(seconds: float | None = None) -> Iterator[None]:
    """Fail when the block takes longer than so many seconds, or than one is patient.

    Raises:
        AssertionError: it does.
    """
    seconds = patience.get() if seconds is None else seconds
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as late:
        raise AssertionError(f"it was not done in {seconds:g} s") from late


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another task or process brings about.

    Raises:
        AssertionError: it did not come.
    """
    with in_time():
        while not await condition():  # noqa: ASYNC110 -- it is in the store, which wakes nobody
            await anyio.sleep(0.01)
