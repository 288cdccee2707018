"""Why something failed, in words that any store can keep."""

from __future__ import annotations

from logging import Logger

from ..errors import NotPublished, TransientFailure


def reason_of(error: Exception) -> str:
    """Return the class and the text of an error, as a text that any store can keep."""
    return storable(f"{type(error).__name__}: {error}")


def storable(text: str) -> str:
    """Return a text with half surrogate pairs and NUL, which are no text to a database, escaped."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def tell(logger: Logger, error: Exception, text: str, *args: object) -> None:
    """Log a failure: in one line when something is away and will be back, with its traceback when it is anything else."""
    if isinstance(error, TransientFailure | NotPublished):
        logger.warning("%s: %s: %s", text % args, type(error).__name__, error)
    else:
        logger.error(text, *args, exc_info=error)
