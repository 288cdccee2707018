"""Decode CloudEvents of any publisher. Every store can keep an event that is decoded without an error."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID, uuid5

from .._definitions.names import LONGEST_LABEL, is_text
from .._definitions.position import Position
from ..errors import UndecodableEvent
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import NewEvent
from ..ports.publisher import LARGEST_BODY
from ..ports.schedule import STORED_YEARS
from .cloud_events import PROGRESS, TEXTS, TRACES, FeedFilter, InboundEvent, Progress

_NAMESPACE = UUID("7c1cb1f6-6e53-5b8a-9d0e-2f5c9f0f4a31")
_JSON = re.compile(r"[\w.-]+/(json|[\w.-]+\+json)\s*(;.*)?", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_LONGEST_NAME = 380
"""The longest name of a stream, in characters, that every store can keep."""

_LONGEST_TEXT = 1_000
"""The longest value of another attribute, in characters."""

_DEEPEST = 100
"""The deepest nesting of data."""


def decode(body: bytes, accepted: FeedFilter) -> InboundEvent | Progress | None:
    """Decode a CloudEvent. Only the attributes that the specification requires must be present.

    An error never quotes the data of the event, which may contain secrets.

    Args:
        body: the body of a message.
        accepted: the events that the feed receives.

    Returns:
        The event or progress report, or None if another feed of this application receives it as well.

    Raises:
        UndecodableEvent: the body is not a CloudEvent, is not accepted, or has a value that not every store can keep.
    """
    attributes: Mapping[str, Any] = {}
    try:
        attributes = _attributes(body)
        return _decoded(attributes, accepted)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        name = attributes.get("type")
        of_type = f" of type {name!r:.80}" if isinstance(name, str) else ""
        raise UndecodableEvent(
            f"cannot decode a message of {len(body)} bytes{of_type} as a CloudEvent 1.0 in JSON of {accepted.source!r} "
            f"({type(error).__name__}: {error!s:.200}). Publish only such events to this topic, or remove the topic from "
            "consume()."
        ) from error


def _attributes(body: bytes) -> Mapping[str, Any]:
    if len(body) > LARGEST_BODY:
        raise ValueError(f"it has {len(body)} bytes, and the limit is {LARGEST_BODY}")
    found = _object(_load(body.decode("utf-8-sig")))
    return {name: value for name, value in found.items() if value is not None}


def _decoded(attributes: Mapping[str, Any], accepted: FeedFilter) -> InboundEvent | Progress | None:
    if attributes["specversion"] != "1.0":
        raise ValueError(f"its specversion is {attributes['specversion']!r}")
    source, name = _string(attributes, "source"), _string(attributes, "type")
    if source != accepted.source:
        if (source, name) in accepted.by_others:
            return None
        raise ValueError(f"its source is {source!r:.80}, and no feed here consumes {name!r:.80} from that source")
    if name == PROGRESS:
        return _progress(attributes, source)
    if name not in accepted.types:
        raise ValueError(f"its type is {name!r} and not {' or '.join(sorted(accepted.types))}")
    return _event(attributes, source)


def _progress(attributes: Mapping[str, Any], source: str) -> Progress:
    position = _number(attributes["originposition"], range(2**63))
    event = UUID(_string(attributes, "originevent")) if "originevent" in attributes else None
    head = Position(_number(attributes["originhead"], range(2**63))) if "originhead" in attributes else None
    time = _time(attributes["time"]) if "time" in attributes else None
    return Progress(source, Checkpoint(Position(position), _log(attributes), event=event), head, time)


def _log(attributes: Mapping[str, Any]) -> str:
    """Return the identity of a log. It is written to log files, and so it has no line breaks and other controls."""
    found = _string(attributes, "originlog")
    if not found.isprintable():
        raise ValueError(f"its originlog {found!r:.80} has characters that are not printable")
    return found


def _event(attributes: Mapping[str, Any], source: str) -> InboundEvent:
    text = _string(attributes, "id")
    event_id = _uuid(text, source)
    subject = next((name for name in ("subject", "partitionkey") if attributes.get(name)), "id")
    stream = f"{source}/{_string(attributes, subject, limit=_LONGEST_NAME - 1 - len(source))}"
    event = NewEvent(
        id=event_id,
        name=_string(attributes, "type"),
        schema=_number(attributes.get("schemaversion", 1), range(1, 2**31)),
        data=_text(_data(attributes)),
        metadata=_text(_metadata(attributes, source, event_id)),
        time=_time(attributes["time"]) if "time" in attributes else datetime.now(UTC),
    )
    return InboundEvent(stream, event, identity_of(text, source), _origin(attributes))


def _origin(attributes: Mapping[str, Any]) -> tuple[str, Position] | None:
    if not attributes.keys() >= {"originlog", "originposition", "time"}:
        return None
    return _log(attributes), Position(_number(attributes["originposition"], range(1, 2**63)))


def _metadata(attributes: Mapping[str, Any], source: str, id: UUID) -> Mapping[str, Any]:
    texts = {field: _string(attributes, name) for field, name in TEXTS.items() if attributes.get(name)}
    origin = {"source": source}
    if "originlog" in attributes:
        origin["log"] = _log(attributes)
    if "originposition" in attributes:
        origin["position"] = str(_number(attributes["originposition"], range(1, 2**63)))
    if "sequence" in attributes:
        origin["version"] = _string(attributes, "sequence")
    correlation = texts.get("correlation_id")
    metadata: dict[str, Any] = {
        "correlation_id": _uuid_text(correlation, source) if correlation else str(id),
        "origin": origin,
    }
    if causation := texts.get("causation_id"):
        metadata["causation_id"] = _uuid_text(causation, source)
    if "tenant" in texts:
        metadata["tenant"] = _string(attributes, TEXTS["tenant"], limit=LONGEST_LABEL)
    if trace := {name: _string(attributes, name) for name in TRACES if _is_usable(attributes.get(name))}:
        metadata["trace"] = trace
    if headers := attributes.get("twofoldheaders"):
        found = _object(_load(headers))
        metadata["headers"] = {name: str(value) for name, value in found.items()}
    return metadata


def _is_usable(trace: Any) -> bool:
    """Return whether a trace fits the limits. Another one is ignored, as W3C's Trace Context requires of invalid ones."""
    return is_text(trace) and 0 < len(trace) <= _LONGEST_TEXT


def _data(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an event: an object in JSON, plain or in Base64."""
    form = attributes.get("datacontenttype", "application/json")
    if not _JSON.fullmatch(form):
        raise ValueError(f"its data is {form!r} and not JSON")
    found = attributes.get("data", {})
    if "data_base64" in attributes:
        if "data" in attributes:
            raise ValueError("it has data twice")
        found = _load(b64decode(attributes["data_base64"], validate=True).decode("utf-8-sig"))
    _check_depth(found)
    return _object(found)


def _check_depth(found: Any) -> None:
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"its data is more than {_DEEPEST} levels deep")
        parts = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for part in parts for each in part]


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError(f"there is {type(found).__name__} where an object is required")
    return found


def _string(attributes: Mapping[str, Any], name: str, *, limit: int = _LONGEST_TEXT) -> str:
    found = attributes[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"its {name} is {_form(found)} and not a text")
    if len(found) > limit:
        raise ValueError(f"its {name} has {len(found)} characters, and the limit is {limit}")
    if "\0" in found or not found.isascii():
        _text(found)
    return found


def _form(found: Any) -> str:
    """Return what a value is, without quoting it."""
    return "empty" if found == "" else f"of type {type(found).__name__}"


def _number(found: Any, limits: range) -> int:
    number = int(str(found))
    if number not in limits:
        raise ValueError(f"{number} is not between {limits[0]} and {limits[-1]}")
    return number


def identity_of(id: str, source: str) -> UUID:
    """Return a UUID that depends on source and id only: CloudEvents are equal if both are equal as texts."""
    return uuid5(_NAMESPACE, json.dumps([source, id]))


def _uuid(text: str, source: str) -> UUID:
    """Return a UUID in its usual form unchanged, and a derived identity for any other id."""
    return UUID(text) if _UUID.fullmatch(text) else identity_of(text, source)


def _uuid_text(text: str, source: str) -> str:
    return text if _UUID.fullmatch(text) else str(identity_of(text, source))


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"its time {text!r} has no time zone")
    moment = found.astimezone(UTC)
    if moment.year not in STORED_YEARS:
        raise ValueError(f"its time {text!r} is not between the years {STORED_YEARS[0]} and {STORED_YEARS[-1]}")
    return moment


def _text(value: object) -> str:
    text = _dump(value)
    text.encode()  # fails for a lone surrogate
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("it contains NUL")
    return text


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_load = json.JSONDecoder(parse_constant=_refused).decode
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
