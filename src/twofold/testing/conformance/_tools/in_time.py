"""Waiting in tests: always for a condition, and never for longer than a ceiling that only a failure reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

CEILING = 120.0
"""Seconds after which a wait gives up. Nothing that works takes so long, not even on a busy machine."""

WHOLE_TEST = 4 * CEILING
"""Seconds after which a test gives up as a whole, with all its waits."""

patience: ContextVar[float] = ContextVar("patience", default=CEILING)
"""Seconds after which one wait gives up. A test that is expected to wait in vain sets less."""


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
    """Wait until a condition holds that another task, a process or a server brings about.

    Args:
        condition: what must hold.
        what: what was expected, for the failure: "the worker was to stop". A function is called only then.
        seconds: the limit; `patience` when None.
        pause: seconds between two looks.

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
