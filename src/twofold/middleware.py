"""Middleware: async functions around the handling of a message, composed once when the application starts.

    async def audited(message, call_next):
        result = await call_next(message)
        ...
        return result

    app.use(audited, on=Command)

A middleware may pass on another message of the same class, answer without calling `call_next`, call it several times, or
handle an error. It runs in the task of the caller. The functions of this module return middleware.

With a third parameter `envelope`, it also gets the metadata of the message: ids, tenant, headers, attempt, and the
idempotency key.

    async def traced(message, call_next, envelope):
        with tracer.span(type(message).__name__, correlation=envelope.correlation_id):
            return await call_next(message)
"""

from __future__ import annotations

import logging as _logging
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import anyio

from ._background.backoff import Backoff
from ._background.log_lines import logger_of
from ._buses.chain import CallNext, EnvelopeMiddleware, Middleware, compose
from ._dispatch.caller import handling
from .errors import ConcurrencyConflict, NotAuthorised, TransientFailure

__all__ = [
    "CallNext",
    "EnvelopeMiddleware",
    "Middleware",
    "authorise",
    "compose",
    "logging",
    "retry_conflicts",
    "timeout",
    "validation",
]


def logging(logger: _logging.Logger | None = None, *, level: int = _logging.INFO) -> Middleware:
    """Log each message with its duration. A failure is logged with the class of its error, whose text may quote fields.

    Args:
        logger: the logger; `twofold.messages` by default.
        level: the level for a success. A failure is logged as `ERROR`.
    """
    out = logger or logger_of("twofold.messages")

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
    """Cancel a message that takes too long. Its unit of work is rolled back, unless the commit had begun.

    Args:
        seconds: the timeout, in seconds.

    Raises:
        TimeoutError: (from the dispatch) the timeout was reached.
    """

    async def limited(message: Any, call_next: CallNext) -> Any:
        with anyio.move_on_after(seconds):
            return await call_next(message)
        raise TimeoutError(
            f"{type(message).__name__} was cancelled after {seconds} s. It was rolled back, unless its commit had begun. "
            "Raise the timeout of the middleware, or make the handler faster."
        )

    return limited


def retry_conflicts(*, attempts: int = 5, delay: float = 0.01) -> Middleware:
    """Retry the whole handler in a new unit of work after a `ConcurrencyConflict` or a `TransientFailure`.

    A commit with an unknown outcome (`CommitUnknown`) is not repeated: the command may have taken effect.

    A message that is dispatched inside a handler is not retried: it shares the unit of work of the outer message, which is
    retried as a whole.

    Args:
        attempts: how often the handler runs at most; at least 1.
        delay: the delay before the second attempt, in seconds. It doubles each time, with full jitter.
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
    """Authorise each message before it is handled.

    Args:
        allowed: a function of the message, async or not, that returns whether the message may be handled.

    Raises:
        NotAuthorised: (from the dispatch) `allowed` returned False.
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
    """Validate each message again, for callers that create messages with `model_construct` or `model_copy`.

    Raises:
        pydantic.ValidationError: (from the dispatch) a field is invalid.
    """

    async def validated(message: Any, call_next: CallNext) -> Any:
        return await call_next(type(message).model_validate(dict(message)))

    return validated
