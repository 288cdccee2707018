"""One way to report that the broker, a connection or a channel is lost."""

from __future__ import annotations

import asyncio

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from twofold.errors import TransientFailure

LOST = (AMQPError, ChannelInvalidStateError, OSError)
"""The errors of a lost broker, connection or channel inside `losses`, `TimeoutError` among them."""

_BY_AIORMQ = (Exception, RuntimeError, StopAsyncIteration, EOFError, RecursionError, OverflowError, UnicodeDecodeError)
"""Other errors that aiormq raises for a lost connection. The last three are raised for an undecodable message."""


class losses:  # noqa: N801 -- a context manager, which is a class because it is entered for every message
    """Translate every loss to one of `LOST`, and let cancellation propagate.

    aiormq reports a loss in many ways: it cancels the calls that wait for an answer, or lets them raise a bare `Exception`,
    a `RuntimeError`, an `EOFError` or a `StopAsyncIteration`. If a channel closes while its user is cancelled, the call may
    raise the loss, or return, instead of raising `CancelledError`.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else self._task.cancelling()

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, cls: object, failure: BaseException | None, traceback: object) -> None:
        """Raise the translated loss, or the cancellation."""
        if failure is not None and not isinstance(failure, asyncio.CancelledError | Exception):
            return
        if self._task is not None and self._task.cancelling() > self._before:
            if isinstance(failure, asyncio.CancelledError):
                return
            raise asyncio.CancelledError from failure
        if isinstance(failure, asyncio.CancelledError):
            raise ConnectionError("the connection was dropped") from failure
        if type(failure) in _BY_AIORMQ:
            raise ConnectionError(f"the connection was lost: {failure!r}") from failure


def description(error: BaseException) -> str:
    """Return the type and the text of a loss."""
    return f"{type(error).__name__}: {str(error) or 'no answer in time'}"


def unavailable(error: BaseException) -> TransientFailure:
    """Return the error to raise for a loss."""
    return TransientFailure(
        f"RabbitMQ does not answer ({description(error)}). Check that it runs, and that the URL is right."
    )
