"""Loggers whose records cannot be forged: a text of others, such as the text of an exception, begins no line of a log."""

from __future__ import annotations

from logging import Logger, LogRecord, getLogger
from traceback import format_exception

_INDENT = "    "


def logger_of(name: str) -> Logger:
    """Return the logger of a name. Its messages are one line each, and tracebacks below them are indented.

    Line breaks, other control characters and lone surrogates are escaped as `repr` does it. Handlers that write UTF-8 would
    lose a record with a lone surrogate.
    """
    logger = getLogger(name)
    logger.addFilter(_in_one_line)
    return logger


def one_line(text: str) -> str:
    """Return a text with every character escaped that is not printable."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _in_one_line(record: LogRecord) -> bool:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 -- an argument has no text; the handler reports it
        return True
    if not message.isprintable():
        record.msg, record.args = one_line(message), None
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        lines = "".join(format_exception(record.exc_info[1])).rstrip("\n").split("\n")
        record.exc_text = "\n".join(_INDENT + one_line(line) for line in lines)
    return True
