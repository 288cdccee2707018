"""Reading a CloudEvent that anybody may have written: what gets through can be kept by every store."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID, uuid5

from .._definitions.position import Position
from ..errors import UndecodableEvent
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import NewEvent
from ..ports.transport import LARGEST_BODY
from .cloud_events import PROGRESS, TEXTS, TRACES, Arrived, Mark, Wanted

_NAMESPACE = UUID("7c1cb1f6-6e53-5b8a-9d0e-2f5c9f0f4a31")
_JSON = re.compile(r"[\w.-]+/(json|[\w.-]+\+json)\s*(;.*)?", re.IGNORECASE)
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_LONGEST_NAME = 380
"""How long the name of a stream is at most, in characters: what every store keeps as a name."""

_LONGEST_TEXT = 1_000
"""How long other attributes are at most, in characters."""

_DEEPEST = 100
"""How many levels data has at most."""

_YEARS = range(1_000, 9_999)
"""The years that every store can keep."""


def decode(body: bytes, wanted: Wanted) -> Arrived | Mark | None:
    """Read a CloudEvent. One that another toolkit has published needs no more than what the specification demands.

    Args:
        body: what was received.
        wanted: what the feed receives.

    Returns:
        None when it is for another feed of this application, which has received it as well.

    Raises:
        UndecodableEvent: it is none, is not wanted, or has in it what not every store can keep.
    """
    try:
        return _read(body, wanted)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise UndecodableEvent(
            f"cannot read {body[:80]!r} as a CloudEvent 1.0 in JSON of {wanted.source!r} ({type(error).__name__}: "
            f"{error!s:.200}). Publish such events to this topic, or take the topic out of consume()."
        ) from error


def _read(body: bytes, wanted: Wanted) -> Arrived | Mark | None:
    if len(body) > LARGEST_BODY:
        raise ValueError(f"it has {len(body)} bytes, and {LARGEST_BODY} are the limit")
    found = _object(json.loads(body, parse_constant=_refused))
    attributes = {name: value for name, value in found.items() if value is not None}
    if attributes["specversion"] != "1.0":
        raise ValueError(f"its specversion is {attributes['specversion']!r}")
    source, name = _string(attributes, "source"), _string(attributes, "type")
    if source != wanted.source:
        if (source, name) in wanted.by_others:
            return None
        raise ValueError(f"its source is {source!r}, and nothing here consumes {name} from it")
    if name == PROGRESS:
        return _mark(attributes, source)
    if name not in wanted.types:
        raise ValueError(f"its type is {name!r} and not {' or '.join(sorted(wanted.types))}")
    return _arrived(attributes, source)


def _mark(attributes: Mapping[str, Any], source: str) -> Mark:
    position = _number(attributes["originposition"], range(2**63))
    return Mark(source, Checkpoint(Position(position), _string(attributes, "originlog")))


def _arrived(attributes: Mapping[str, Any], source: str) -> Arrived:
    given = _string(attributes, "id")
    known = _uuid(given, source)
    subject = next((name for name in ("subject", "partitionkey") if attributes.get(name)), "id")
    stream = f"{source}/{_string(attributes, subject, limit=_LONGEST_NAME - 1 - len(source))}"
    event = NewEvent(
        id=known,
        name=_string(attributes, "type"),
        schema=_number(attributes.get("schemaversion", 1), range(1, 2**31)),
        data=_text(_data(attributes)),
        metadata=_text(_metadata(attributes, source, known)),
        time=_time(attributes["time"]) if "time" in attributes else datetime.now(UTC),
    )
    return Arrived(stream, event)


def _metadata(attributes: Mapping[str, Any], source: str, known: UUID) -> Mapping[str, Any]:
    texts = {field: _string(attributes, name) for field, name in TEXTS.items() if attributes.get(name)}
    origin = {"source": source}
    if "originlog" in attributes:
        origin["log"] = _string(attributes, "originlog")
    if "originposition" in attributes:
        origin["position"] = str(_number(attributes["originposition"], range(1, 2**63)))
    if "sequence" in attributes:
        origin["version"] = _string(attributes, "sequence")
    correlation = texts.get("correlation_id")
    metadata: dict[str, Any] = {
        "correlation_id": str(_uuid(correlation, source) if correlation else known),
        "origin": origin,
    }
    if causation := texts.get("causation_id"):
        metadata["causation_id"] = str(_uuid(causation, source))
    if tenant := texts.get("tenant"):
        metadata["tenant"] = tenant
    if trace := {name: _string(attributes, name) for name in TRACES if name in attributes}:
        metadata["trace"] = trace
    if headers := attributes.get("twofoldheaders"):
        found = _object(json.loads(headers, parse_constant=_refused))
        metadata["headers"] = {name: str(value) for name, value in found.items()}
    return metadata


def _data(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an event: an object in JSON, as it is or in Base64."""
    form = attributes.get("datacontenttype", "application/json")
    if not _JSON.fullmatch(form):
        raise ValueError(f"its data is {form!r} and not JSON")
    found = attributes.get("data", {})
    if "data_base64" in attributes:
        if "data" in attributes:
            raise ValueError("it has data twice")
        found = json.loads(b64decode(attributes["data_base64"], validate=True), parse_constant=_refused)
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
        raise TypeError(f"there is {type(found).__name__} where an object has to be")
    return found


def _string(attributes: Mapping[str, Any], name: str, *, limit: int = _LONGEST_TEXT) -> str:
    found = attributes[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"its {name} is {found!r:.80} and no text")
    if len(found) > limit:
        raise ValueError(f"its {name} has {len(found)} characters, and {limit} are the limit")
    if "\0" in found or not found.isascii():
        _text(found)
    return found


def _number(found: Any, limits: range) -> int:
    number = int(str(found))
    if number not in limits:
        raise ValueError(f"{number} is not between {limits[0]} and {limits[-1]}")
    return number


def _uuid(text: str, source: str) -> UUID:
    """Return a UUID as it is; for another id always the same one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid5(_NAMESPACE, f"{source} {text}")


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"its time {text!r} has no time zone")
    moment = found.astimezone(UTC)
    if moment.year not in _YEARS:
        raise ValueError(f"its time {text!r} is not between the years {_YEARS[0]} and {_YEARS[-1]}")
    return moment


def _text(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()  # half of a surrogate pair is no text
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("there is a NUL in it")
    return text


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
