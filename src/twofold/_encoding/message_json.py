"""Write messages as JSON: their fields, and the metadata beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from pydantic_core import PydanticSerializationError

from .._definitions.envelope import Envelope
from .._definitions.message import Event, Message
from ..errors import ConfigurationError, EventNotRecordable, TwofoldError
from ..ports.event_log import NewEvent
from .misfits import unwritable
from .round_trip import RoundTrip
from .secrets import ADVICE, MASK, is_secret

M = TypeVar("M", bound=Message)


def round_trip_of(message_type: type[M]) -> RoundTrip[M]:
    """Return the encoder and decoder of a type of message."""
    round_trip: RoundTrip[M] = _round_trip_of(message_type)
    return round_trip


@cache
def _round_trip_of(message_type: type[Message]) -> RoundTrip[Any]:
    return RoundTrip(message_type, read_aliases=True)


def json_of(message: Message, attempt: str, refused: type[TwofoldError]) -> str:
    """Return the fields of a message as JSON text that is not masked.

    Args:
        message: the message.
        attempt: the verb of the error message, such as "record" in "cannot record".
        refused: the class of the error.

    Raises:
        TwofoldError: a field has no JSON, or holds a secret. The error is a `refused`.
    """
    try:
        text = round_trip_of(type(message)).encode(message, warnings=True)
    except PydanticSerializationError as error:
        raise refused(
            f"cannot {attempt} {type(message).__name__}: {without_json(message)} no JSON ({error}). "
            "Use types that pydantic knows, and declare them."
        ) from error
    if MASK in text and (names := [name for name in type(message).model_fields if _is_masked(message, name)]):
        raise refused(
            f"cannot {attempt} {type(message).__name__}: its field(s) {', '.join(names)} would come back masked, as {MASK}. "
            f"{ADVICE}"
        )
    return text


def new_events(events: Iterable[Event], ids: Iterator[UUID], time: datetime, metadata: str) -> list[NewEvent]:
    """Return events as they are appended to the log.

    Args:
        events: the events.
        ids: an id for each.
        time: when they are recorded.
        metadata: see `encode_metadata`.

    Raises:
        ConfigurationError: an event has no stable name.
        EventNotRecordable: a field has no JSON, or holds a secret.
    """
    return [
        NewEvent(
            next(ids),
            event_name(event),
            event.message_version,
            json_of(event, "record", EventNotRecordable),
            metadata,
            time,
        )
        for event in events
    ]


def event_name(event: Event) -> str:
    """Return the stable name of an event.

    Raises:
        ConfigurationError: the event has none.
    """
    if event.message_name is None:
        raise ConfigurationError(
            f"cannot record {type(event).__qualname__}: it has no stable name. "
            f"Give it one: class {type(event).__name__}(Event, name='orders.order_placed')."
        )
    return event.message_name


def encode_metadata(cause: Envelope) -> str:
    """Return the metadata of what the handler of a message records, as JSON text; `metadata.event_envelope` reads it."""
    fields: dict[str, str | Mapping[str, str]] = {
        "correlation_id": str(cause.correlation_id),
        "causation_id": str(cause.id),
    }
    if cause.tenant is not None:
        fields["tenant"] = cause.tenant
    if cause.trace:
        fields["trace"] = dict(cause.trace)
    if cause.headers:
        fields["headers"] = dict(cause.headers)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def without_json(message: Message) -> str:
    """Return which fields have no JSON, with a verb: "its field 'socket' has"."""
    names = [repr(name) for name, _ in unwritable(message)]
    if len(names) == 1:
        return f"its field {names[0]} has"
    return f"its fields {' and '.join(names)} have" if names else "its fields have"


def _is_masked(message: Message, name: str) -> bool:
    return MASK in message.model_dump_json(include={name}) and _holds_secret(message.model_dump(include={name}))


def _holds_secret(value: Any) -> bool:
    match value:
        case Mapping():
            return any(map(_holds_secret, value.values()))
        case list() | tuple() | set() | frozenset():
            return any(map(_holds_secret, value))
    return is_secret(value)
