"""Events between processes, as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, structured content mode)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from .errors import UndecodableEvent
from .ports.event_log import NewEvent, Position, StoredEvent
from .ports.subscription_store import Checkpoint

PROGRESS = "twofold.progress"
"""What a relay publishes to say how far it has come, behind everything up to there."""

_TEXTS = {"correlation_id": "correlationid", "causation_id": "causationid", "tenant": "tenant"}
_TRACES = ("traceparent", "tracestate")
_NAMESPACE = UUID("7c1cb1f6-6e53-5b8a-9d0e-2f5c9f0f4a31")


class Arrived(NamedTuple):
    """An event that came from another process.

    Attributes:
        stream: the stream it is kept in here: its source and its stream there.
        event: the event, to be appended.
    """

    stream: str
    event: NewEvent


class Progress(NamedTuple):
    """How far the relay of a source has come.

    Attributes:
        source: the name of the application.
        checkpoint: the position, in the log it belongs to.
    """

    source: str
    checkpoint: Checkpoint


def is_foreign(stored: StoredEvent) -> bool:
    """Return whether an event came from another application."""
    return '"origin"' in stored.metadata and "origin" in json.loads(stored.metadata)


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
    attributes |= {name: metadata[field] for field, name in _TEXTS.items() if metadata.get(field)}
    attributes |= {name: metadata["trace"][name] for name in _TRACES if name in metadata.get("trace", {})}
    if metadata.get("headers"):
        attributes["twofoldheaders"] = json.dumps(metadata["headers"], ensure_ascii=False, sort_keys=True)
    text = json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"data":{stored.data}}}'.encode()


def encode_progress(progress: Progress, *, id: UUID, time: datetime) -> bytes:
    """Return how far a relay has come as a CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "id": str(id),
        "source": progress.source,
        "type": PROGRESS,
        "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "originlog": progress.checkpoint.log,
        "originposition": str(progress.checkpoint.position),
    }
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes) -> Arrived | Progress:
    """Read a CloudEvent. One that another toolkit has published needs no more than what the specification demands.

    Raises:
        UndecodableEvent: it is none.
    """
    try:
        attributes = json.loads(body)
        if attributes["specversion"] != "1.0":
            raise ValueError(f"its specversion is {attributes['specversion']!r}")  # noqa: TRY301 -- told as the others are
        return _progress(attributes) if attributes["type"] == PROGRESS else _arrived(attributes)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UndecodableEvent(
            f"cannot read {body[:80]!r} as a CloudEvent 1.0 in JSON ({type(error).__name__}: {error!s:.200}). Publish such "
            "events to this topic, or take the topic out of consume()."
        ) from error


def _progress(attributes: Mapping[str, Any]) -> Progress:
    position = Position(int(attributes["originposition"]))
    return Progress(str(attributes["source"]), Checkpoint(position, str(attributes["originlog"])))


def _arrived(attributes: Mapping[str, Any]) -> Arrived:
    source, given = str(attributes["source"]), str(attributes["id"])
    known = _uuid(given, source)
    origin = {
        name: str(attributes[found])
        for name, found in (("log", "originlog"), ("position", "originposition"), ("version", "sequence"))
        if found in attributes
    }
    correlation = str(attributes.get("correlationid", ""))
    metadata: dict[str, Any] = {
        "correlation_id": str(_uuid(correlation, source)) if correlation else str(known),
        "origin": {"source": source, **origin},
    }
    if causation := attributes.get("causationid"):
        metadata["causation_id"] = str(_uuid(str(causation), source))
    if tenant := attributes.get("tenant"):
        metadata["tenant"] = str(tenant)
    if trace := {name: str(attributes[name]) for name in _TRACES if name in attributes}:
        metadata["trace"] = trace
    if headers := attributes.get("twofoldheaders"):
        metadata["headers"] = {str(name): str(value) for name, value in json.loads(headers).items()}
    event = NewEvent(
        id=known,
        name=str(attributes["type"]),
        schema=int(attributes.get("schemaversion", 1)),
        data=_text(attributes.get("data", {})),
        metadata=_text(metadata),
        time=_time(attributes.get("time")),
    )
    return Arrived(f"{source}/{attributes.get('subject') or attributes.get('partitionkey') or given}", event)


def _uuid(text: str, source: str) -> UUID:
    """Return a UUID as it is; for another id always the same one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid5(_NAMESPACE, f"{source} {text}")


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"its time {text!r} has no time zone")
    return found.astimezone(UTC)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
