"""Events between applications, as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, structured content mode)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from .._definitions.position import Position
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import NewEvent, StoredEvent

PROGRESS = "twofold.progress"
"""The type of the CloudEvent with which a relay publishes its checkpoint, after all events up to the checkpoint."""

TEXTS = {"correlation_id": "correlationid", "causation_id": "causationid", "tenant": "tenant"}
TRACES = ("traceparent", "tracestate")


class InboundEvent(NamedTuple):
    """An event that another application published.

    Attributes:
        stream: the stream that the event is appended to: its source, and its stream in that application.
        event: the event. Its id is the id of the CloudEvent if that is a UUID, else `identity`.
        identity: a UUID that depends on the source and the id of the CloudEvent, compared as texts, and on nothing else.
        origin: the log and the position of the event in its application; None if one of them, or the time, is not known.
    """

    stream: str
    event: NewEvent
    identity: UUID
    origin: tuple[str, Position] | None = None


class Progress(NamedTuple):
    """The checkpoint of the relay of another application.

    Attributes:
        source: the name of the application.
        checkpoint: the checkpoint, in the log of the application.
        head: the last position of the log; None if it is not known.
        time: when the report was sent; None if it is not known.
    """

    source: str
    checkpoint: Checkpoint
    head: Position | None = None
    time: datetime | None = None


class FeedFilter(NamedTuple):
    """The events that a feed receives. A topic may carry the events of several sources.

    Attributes:
        source: the application that publishes the events.
        types: the wire names of the events.
        by_others: pairs of a source and a wire name that other feeds of this application receive.
    """

    source: str
    types: frozenset[str]
    by_others: frozenset[tuple[str, str]] = frozenset()


_json_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_event(stored: StoredEvent, *, source: str, key: str, log: str) -> bytes:
    """Return a stored event as a CloudEvent.

    Args:
        stored: the event.
        source: the name of the application that publishes the event.
        key: the ordering key of the event.
        log: the identity of the log that stores the event.
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


def encode_progress(progress: Progress, *, id: UUID, time: datetime) -> bytes:
    """Return the checkpoint of a relay as a CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "id": str(id),
        "source": progress.source,
        "type": PROGRESS,
        "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "originlog": progress.checkpoint.log,
        "originposition": str(progress.checkpoint.position),
    }
    if progress.head is not None:
        attributes["originhead"] = str(progress.head)
    if progress.checkpoint.event is not None:
        attributes["originevent"] = str(progress.checkpoint.event)
    return _json_of(attributes).encode()
