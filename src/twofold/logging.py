"""Logs with the ids of messages: a filter that adds them to records, and a formatter that writes records as JSON.

    import twofold.logging

    twofold.logging.write_json()      # every log line of the process is a JSON object from now on

The loggers of Twofold are named `twofold.subscriptions`, `twofold.schedule`, `twofold.operations` and so on.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final, TextIO

from ._dispatch.caller import handling

FIELDS: Final = "correlation_id", "causation_id", "message_id", "message_type", "tenant"
"""The attributes that `MessageContext` adds to records."""


class MessageContext(logging.Filter):
    """Add the metadata of the command, query or event that is being handled to each record. Add it to a handler.

    The attributes are those of `FIELDS`, as texts: the ids, the stable name of the message or the name of its class, and
    the tenant. They are empty outside of handlers, and in projections, which apply events in batches.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes, and return True."""
        scope = handling()
        values: tuple[object, ...] = ("",) * len(FIELDS)
        if scope is not None and scope.message is not None:
            envelope, message = scope.envelope, scope.message
            name = message.message_name or type(message).__name__
            values = envelope.correlation_id, envelope.causation_id or "", envelope.id, name, envelope.tenant or ""
        for field, value in zip(FIELDS, values, strict=True):
            setattr(record, field, str(value))
        return True


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON: time (UTC), level, logger, message, the fields of `FIELDS`, exception and stack.

    Fields without a value are left out. A record whose arguments do not fit its text is written with the error and the text,
    instead of the lines that `logging` prints about it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        found: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": _message_of(record),
        }
        found |= {field: str(value) for field in FIELDS if (value := getattr(record, field, ""))}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            found["exception"] = record.exc_text
        if record.stack_info:
            found["stack"] = self.formatStack(record.stack_info)
        return json.dumps(found)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 -- the arguments are objects of any class
        text = repr(record.msg) if isinstance(record.msg, str) else f"of type {type(record.msg).__name__}"
        return f"cannot format the log message {text} at {record.pathname}:{record.lineno}: {type(error).__name__}"


def write_json(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Write the records of all loggers as JSON, with the ids of messages. Call this once, when the process starts.

    Args:
        level: the lowest level of records that are written.
        stream: where they are written; stderr by default.
    """
    handler = logging.StreamHandler(stream)
    handler.addFilter(MessageContext())
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
