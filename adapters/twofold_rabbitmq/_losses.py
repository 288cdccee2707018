"""One way to report that the broker, a connection or a channel is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from twofold.errors import TransientFailure

LOST = (AMQPError, ChannelInvalidStateError, OSError)
"""The errors of a lost broker, connection or channel inside `losses`, `TimeoutError` among them."""


@contextmanager
def losses() -> Iterator[None]:
    """Translate every loss to one of `LOST`, and let cancellation propagate.

    aiormq reports a loss in many ways: it cancels the calls that wait for an answer, or lets them raise a bare `Exception`,
    a `RuntimeError`, an `EOFError` or a `StopAsyncIteration`. If a channel closes while its user is cancelled, the call may
    raise the loss, or return, instead of raising `CancelledError`.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task is not None else 0
    failure: BaseException | None = None
    try:
        yield
    except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 -- raised below, translated
        failure = error
    if task is not None and task.cancelling() > cancelled_before:
        raise failure if isinstance(failure, asyncio.CancelledError) else asyncio.CancelledError from failure
    if isinstance(failure, asyncio.CancelledError):
        raise ConnectionError("the connection was dropped") from failure
    if type(failure) in (Exception, RuntimeError, StopAsyncIteration, EOFError):
        raise ConnectionError(f"the connection was lost: {failure!r}") from failure
    if failure is not None:
        raise failure


def description(error: BaseException) -> str:
    """Return the type and the text of a loss."""
    return f"{type(error).__name__}: {str(error) or 'no answer in time'}"


def unavailable(error: BaseException) -> TransientFailure:
    """Return the error to raise for a loss."""
    return TransientFailure(
        f"RabbitMQ does not answer ({description(error)}). Check that it runs, and that the URL is right."
    )
