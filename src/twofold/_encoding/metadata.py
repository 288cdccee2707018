"""Read the metadata of a stored event: its envelope, and where it came from."""

from __future__ import annotations

import json
from uuid import UUID

from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._definitions.position import Position
from ..ports.event_log import StoredEvent


def event_envelope(stored: StoredEvent, event: Event, attempt: int = 1) -> Envelope[Event]:
    """Return the envelope of a stored event, for an attempt to handle it."""
    fields = json.loads(stored.metadata)
    causation = fields.get("causation_id")
    return Envelope(
        message=event,
        id=stored.id,
        correlation_id=UUID(fields["correlation_id"]),
        causation_id=UUID(causation) if causation else None,
        time=stored.time,
        tenant=fields.get("tenant"),
        trace=fields.get("trace", {}),
        headers=fields.get("headers", {}),
        stream=stored.stream,
        version=stored.version,
        position=stored.position,
        attempt=attempt,
    )


def origin_of(stored: StoredEvent) -> tuple[str, Position] | None:
    """Return the log and the position of an event in the application that it came from, or None if neither is known."""
    origin = json.loads(stored.metadata).get("origin", {}) if '"origin"' in stored.metadata else {}
    return (origin["log"], Position(int(origin["position"]))) if "log" in origin and "position" in origin else None


def is_foreign(stored: StoredEvent) -> bool:
    """Return whether an event came from another application."""
    return '"origin"' in stored.metadata and "origin" in json.loads(stored.metadata)


def source_of(stored: StoredEvent) -> str | None:
    """Return the application that published an event, or None for an event of this application."""
    source: str | None = json.loads(stored.metadata).get("origin", {}).get("source")
    return source
