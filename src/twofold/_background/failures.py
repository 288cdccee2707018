"""Failures as texts for stores and logs."""

from __future__ import annotations

from logging import Logger
from typing import Final

from ..errors import CheckpointMoved, CommitFailed, NotPublished, TransientFailure

STORE_FAILURES: Final = TransientFailure, CommitFailed, CheckpointMoved
"""Failures that do not depend on the event or message in work. They are retried, and never park it."""


def reason_of(error: Exception) -> str:
    """Return the class and the text of an error, in a form that every store can keep."""
    return storable(f"{type(error).__name__}: {error}")


def storable(text: str) -> str:
    """Return a text with lone surrogates and NUL escaped, because databases refuse them."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def log_failure(logger: Logger, error: Exception, text: str, *args: object) -> None:
    """Log a failure: a transient one as a warning in one line, any other as an error with its traceback."""
    if isinstance(error, TransientFailure | NotPublished):
        logger.warning("%s: %s: %s", text % args, type(error).__name__, error)
    else:
        logger.error(text, *args, exc_info=error)
