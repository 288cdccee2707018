"""Waiting in tests: for a condition, up to a ceiling that only a failing test reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

CEILING = 120.0
"""Seconds after which a wait fails. A working test never takes so long, even on a busy machine."""

WHOLE_TEST = 4 * CEILING
"""Seconds after which a whole test fails, including all its waits."""

patience: ContextVar[float] = ContextVar("patience", default=CEILING)
"""Seconds after which one wait fails. A test whose wait is expected to fail sets a lower value."""


@contextmanager
def in_time(seconds: float | None = None) -> Iterator[None]:
    """Fail when the block takes too long.

    Args:
        seconds: the limit; `patience` when None.

    Raises:
        AssertionError: the block took longer.
    """
    seconds = patience.get() if seconds is None else seconds
    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise AssertionError(f"it was not done in {seconds:g} s")


async def until(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str | Callable[[], str] = "it",
    *,
    seconds: float | None = None,
    pause: float = 0.01,
) -> None:
    """Wait until a condition holds that another task, a process or a server causes.

    Args:
        condition: returns whether the condition holds.
        what: the expectation, for the error: "the worker was to stop". A function is called only after a failure.
        seconds: the limit; `patience` when None.
        pause: seconds between two checks.

    Raises:
        AssertionError: the condition did not hold in time.
    """
    limit = patience.get() if seconds is None else seconds
    with anyio.move_on_after(limit):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await anyio.sleep(pause)
    raise AssertionError(f"after {limit:g} s: {what if isinstance(what, str) else what()}")
