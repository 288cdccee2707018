"""Middleware: async functions around the handling of a message, composed once when the application starts.

    async def audited(message, call_next):
        result = await call_next(message)
        ...
        return result

    app.use(audited, on=Command)

A middleware may pass another message of the same class on, answer without calling on, call on several times, or handle
an error. It runs in the task of the caller. What this module ships is made by functions that take options.
"""

from __future__ import annotations

import logging as _logging
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import anyio

from ._background.backoff import Backoff
from ._buses.chain import CallNext, Middleware, compose
from ._dispatch.caller import handling
from .errors import ConcurrencyConflict, NotAuthorised, TransientFailure

__all__ = ["CallNext", "Middleware", "authorise", "compose", "logging", "retry_conflicts", "timeout", "validation"]


def logging(logger: _logging.Logger | None = None, *, level: int = _logging.INFO) -> Middleware:
    """Log each message with its duration, and each failure with the class of its error, whose text may quote fields.

    Args:
        logger: where to log; `twofold.messages` by default.
        level: the level of a success; a failure is logged as `ERROR`.
    """
    out = logger or _logging.getLogger("twofold.messages")

    async def logged(message: Any, call_next: CallNext) -> Any:
        started = time.perf_counter()
        try:
            result = await call_next(message)
        except Exception as error:
            elapsed = (time.perf_counter() - started) * 1000
            out.error("%s failed after %.1f ms: %s", type(message).__name__, elapsed, type(error).__name__)
            raise
        out.log(level, "%s took %.1f ms", type(message).__name__, (time.perf_counter() - started) * 1000)
        return result

    return logged


def timeout(seconds: float) -> Middleware:
    """Give up a message that takes too long. Its unit of work is rolled back.

    Args:
        seconds: the limit.

    Raises:
        TimeoutError: (from the dispatch) the limit was reached.
    """

    async def limited(message: Any, call_next: CallNext) -> Any:
        with anyio.move_on_after(seconds):
            return await call_next(message)
        raise TimeoutError(
            f"{type(message).__name__} was given up after {seconds} s and rolled back. "
            "Raise the limit of the timeout middleware, or make the handler faster."
        )

    return limited


def retry_conflicts(*, attempts: int = 5, delay: float = 0.01) -> Middleware:
    """Repeat the whole handler on a fresh unit of work after a `ConcurrencyConflict` or a `TransientFailure`.

    A message dispatched inside another one is not repeated: its unit is the outer one, which is repeated as a whole.

    Args:
        attempts: tries in all, at least 1.
        delay: seconds before the second try; doubled each time, with full jitter.
    """

    async def retried(message: Any, call_next: CallNext) -> Any:
        if handling() is not None:
            return await call_next(message)
        backoff = Backoff(delay * 2, inf, jitter=True)  # full jitter halves a delay on average
        for _ in range(1, attempts):
            try:
                return await call_next(message)
            except (ConcurrencyConflict, TransientFailure):
                await anyio.sleep(backoff.next())
        return await call_next(message)

    return retried


def authorise(allowed: Callable[[Any], Awaitable[bool] | bool]) -> Middleware:
    """Ask before a message is handled.

    Args:
        allowed: a function, async or not, of the message.

    Raises:
        NotAuthorised: (from the dispatch) the answer was no.
    """

    async def authorised(message: Any, call_next: CallNext) -> Any:
        answer = allowed(message)
        if not (answer if isinstance(answer, bool) else await answer):
            raise NotAuthorised(
                f"{type(message).__name__} was refused by {getattr(allowed, '__qualname__', repr(allowed))}; "
                "it was not handled."
            )
        return await call_next(message)

    return authorised


def validation() -> Middleware:
    """Validate a message once more, for callers that build messages with `model_construct` or `model_copy`.

    Raises:
        pydantic.ValidationError: (from the dispatch) a field is not valid.
    """

    async def validated(message: Any, call_next: CallNext) -> Any:
        return await call_next(type(message).model_validate(dict(message)))

    return validated
