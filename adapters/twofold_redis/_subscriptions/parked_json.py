"""Parked events, and events with a pending retry, as text in Redis."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from twofold.ports import Edit, ParkedEvent, Position, StoredEvent


def encoded(parked: ParkedEvent) -> bytes:
    """Return the stored form of an event. The time of its next retry is stored separately."""
    event = parked.event
    kept = json.dumps(
        [
            *(str(event.id), event.name, event.schema, event.data, event.metadata, event.time.isoformat()),
            *(event.stream, event.version, int(event.position)),
            *(parked.key, parked.reason, parked.attempts, parked.time.isoformat()),
            None if parked.edit is None else (parked.edit.time.isoformat(), parked.edit.by, parked.edit.reason),
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return kept.encode("utf-8", "backslashreplace")  # the escape that JSON uses for a lone surrogate


def again_text(again: datetime | None, key: str) -> bytes:
    """Return the time of the next retry of an event, and its key; empty when there is none."""
    return b"" if again is None else f"{again.isoformat()} {key}".encode("utf-8", "surrogatepass")


def decoded(stored: bytes, again: bytes | None) -> ParkedEvent:
    """Return the stored event."""
    _, length, rest = stored.split(b" ", 2)
    fields = json.loads(rest[int(length) :])
    name, schema, data, metadata, time, stream, version, position = fields[1:9]
    key, reason, attempts, failed, edited = fields[9:]
    event = StoredEvent(
        UUID(fields[0]), name, schema, data, metadata, datetime.fromisoformat(time), stream, version, Position(position)
    )
    edit = None if edited is None else Edit(datetime.fromisoformat(edited[0]), *edited[1:])
    return ParkedEvent(event, key, reason, attempts, datetime.fromisoformat(failed), _time(again), edit)


def _time(again: bytes | None) -> datetime | None:
    return None if again is None else datetime.fromisoformat(again.partition(b" ")[0].decode())
