"""Failures: one entry's failure is contained to the entry, and failures become texts for stores and logs."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from logging import ERROR, WARNING, Logger
from types import TracebackType
from typing import Final

import anyio

from ..errors import (
    CheckpointMoved,
    CommitFailed,
    CommitUnknown,
    InlineProjectionsChanged,
    NotPublished,
    TransactionIdled,
    TransientFailure,
)

STORE_FAILURES: Final = TransientFailure, CommitFailed, CommitUnknown, CheckpointMoved, InlineProjectionsChanged
"""Failures that do not depend on the event or message in work. They never park it. It is retried after the checkpoint, the
inbox or the entry was read again, which says whether a commit with an unknown outcome has succeeded."""


def is_of_store(error: BaseException) -> bool:
    """Return whether a failure does not depend on the event or message. A handler that is too slow depends on it."""
    return is_always_retried(type(error))


def is_always_retried(error_type: type[BaseException]) -> bool:
    """Return whether the failures of a class do not depend on the event or message."""
    return issubclass(error_type, STORE_FAILURES) and not issubclass(error_type, TransactionIdled)


_WITHOUT_TRACEBACK: Final = TransientFailure, NotPublished
"""Errors that are not faults of the code. Their text says everything."""


class HandlerAborted(Exception):
    """The code of one entry raised a `BaseException` that is not an `Exception`. The cause is the original exception."""


def contained() -> AbstractContextManager[None]:
    """Turn everything that the code of one entry raises into an `Exception`. Every background loop works in such a block.

    An entry is an event, a message, a request, or a scheduled command. The `except Exception` around the block then reports
    the failure of the entry, and the loop continues with the next entry. Other subclasses of `BaseException`, and a
    `CancelledError` in a task that is not being cancelled, are raised as `HandlerAborted`. A cancellation of the loop,
    `KeyboardInterrupt` and `SystemExit` propagate.

    Raises:
        HandlerAborted: the block raised a `BaseException` that is not an `Exception`.
    """
    return _CONTAINED


class _Contained:
    """The block of `contained`. It has no state, so one object serves every block: blocks are entered for each event."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, Exception) and not _ends_task(error):
            raise as_exception(error) from error


_CONTAINED: Final = _Contained()


def as_exception(error: BaseException) -> Exception:
    """Return the exception as which a block of `contained` raises an error. An error that ends the task is raised.

    It is for code that runs for each event, where a block takes too long.
    """
    if isinstance(error, Exception):
        return error
    if _ends_task(error):
        raise error
    aborted = HandlerAborted(f"{description(error)} (not a subclass of Exception)")
    aborted.__cause__ = error
    return aborted


def _ends_task(error: BaseException) -> bool:
    """Return whether an exception cancels the running task or ends the process."""
    if isinstance(error, BaseExceptionGroup):
        return any(not isinstance(each, Exception) and _ends_task(each) for each in error.exceptions)
    if isinstance(error, anyio.get_cancelled_exc_class()):
        if not isinstance(error, asyncio.CancelledError):
            return True
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0  # otherwise the code awaited another task, which was cancelled
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def text_of(error: BaseException) -> str:
    """Return the text of an error in valid Unicode, also if the error fails to create its text."""
    try:
        with contained():
            return storable(str(error))
    except Exception as failure:  # noqa: BLE001 -- any class may fail
        return f"(its text cannot be created: {type(failure).__name__})"


def description(error: BaseException) -> str:
    """Return the class and the text of an error; see `text_of`."""
    return f"{type(error).__name__}: {text_of(error)}"


def storable(text: str) -> str:
    """Return a text with lone surrogates and NUL escaped, because databases refuse them."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def log_failure(logger: Logger, error: Exception, text: str, *args: object) -> None:
    """Log a failure: a transient one as a warning, any other as an error; see `log_error`."""
    log_error(logger, WARNING if isinstance(error, _WITHOUT_TRACEBACK) else ERROR, error, text, *args)


def log_error(logger: Logger, level: int, error: BaseException, text: str, *args: object) -> None:
    """Log an error with its traceback. The traceback of a transient error is omitted."""
    if isinstance(error, _WITHOUT_TRACEBACK):
        logger.log(level, "%s: %s", text % args, description(error))
    else:
        logger.log(level, text, *args, exc_info=error)
