"""Telling the log of failures after which work goes on."""

from __future__ import annotations

from logging import Logger

from .errors import NotPublished, TransientFailure


def tell(logger: Logger, error: Exception, text: str, *args: object) -> None:
    """Log a failure: in one line when something is away and will be back, with its traceback when it is anything else."""
    if isinstance(error, TransientFailure | NotPublished):
        logger.warning("%s: %s: %s", text % args, type(error).__name__, error)
    else:
        logger.error(text, *args, exc_info=error)
