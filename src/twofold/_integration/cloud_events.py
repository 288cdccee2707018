"""Events between processes, as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, structured content mode)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from ..ports.checkpoints import Checkpoint
from ..ports.event_log import NewEvent, StoredEvent

PROGRESS = "twofold.progress"
"""What a relay publishes to say how far it has come, behind everything up to there."""

TEXTS = {"correlation_id": "correlationid", "causation_id": "causationid", "tenant": "tenant"}
TRACES = ("traceparent", "tracestate")


class Arrived(NamedTuple):
    """An event that came from another process.

    Attributes:
        stream: the stream it is kept in here: its source and its stream there.
        event: the event, to be appended.
    """

    stream: str
    event: NewEvent


class Mark(NamedTuple):
    """How far the relay of a source has come.

    Attributes:
        source: the name of the application.
        checkpoint: the position, in the log it belongs to.
    """

    source: str
    checkpoint: Checkpoint


class Wanted(NamedTuple):
    """What a feed receives.

    Attributes:
        source: the application that it comes from.
        types: the wire names of the events.
        by_others: sources, each with a wire name, that other feeds of this application receive.
    """

    source: str
    types: frozenset[str]
    by_others: frozenset[tuple[str, str]] = frozenset()


_json_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_event(stored: StoredEvent, *, source: str, key: str, log: str) -> bytes:
    """Return a stored event as a CloudEvent.

    Args:
        stored: the event.
        source: the name of the application that publishes it.
        key: its ordering key.
        log: the identity of the log it is stored in.
    """
    metadata = json.loads(stored.metadata)
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(stored.id),
        "source": source,
        "type": stored.name,
        "subject": stored.stream,
        "time": stored.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "schemaversion": stored.schema,
        "partitionkey": key,
        "sequence": str(stored.version),
        "originlog": log,
        "originposition": str(stored.position),
    }
    attributes |= {name: metadata[field] for field, name in TEXTS.items() if metadata.get(field)}
    attributes |= {name: metadata["trace"][name] for name in TRACES if name in metadata.get("trace", {})}
    if metadata.get("headers"):
        attributes["twofoldheaders"] = json.dumps(metadata["headers"], ensure_ascii=False, sort_keys=True)
    text = _json_of(attributes)
    return f'{text[:-1]},"data":{stored.data}}}'.encode()


def encode_mark(mark: Mark, *, id: UUID, time: datetime) -> bytes:
    """Return how far a relay has come as a CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "id": str(id),
        "source": mark.source,
        "type": PROGRESS,
        "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "originlog": mark.checkpoint.log,
        "originposition": str(mark.checkpoint.position),
    }
    return _json_of(attributes).encode()
