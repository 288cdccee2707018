"""Write messages as JSON: their fields, and the metadata beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from .._definitions.envelope import Envelope
from .._definitions.message import Event, Message
from .._definitions.tags import tags_of
from ..errors import ConfigurationError, EventNotRecordable, NotStorable
from ..ports.event_log import NewEvent
from .lossy import LossyError
from .round_trip import round_trip_of


class Cause(Protocol):
    """A message whose handler records events."""

    @property
    def parent(self) -> object | None:
        """The message whose handler dispatched this one."""
        ...

    @property
    def envelope(self) -> Envelope:
        """Its envelope."""
        ...


def json_of(message: Message, attempt: str, refused: type[NotStorable]) -> str:
    """Return the fields of a message as JSON text that comes back as the same message.

    Args:
        message: the message.
        attempt: the verb of the error message, such as "record" in "cannot record".
        refused: the class of the error.

    Raises:
        NotStorable: a field would come back changed, or the message is too large. The error is a `refused`.
    """
    try:
        return round_trip_of(type(message)).encode(message)
    except LossyError as lossy:
        raise refused(f"cannot {attempt} {type(message).__name__}: {lossy} Nothing was written.") from lossy


class Metadata:
    """The metadata of the events of one unit of work, encoded once for each cause.

    Args:
        outer: the envelope of the outermost message.
        causes: by the identity of an event, the nested message whose handler recorded it.
    """

    def __init__(self, outer: Envelope, causes: Mapping[int, Cause]) -> None:
        self._outer = encode_metadata(outer)
        self._causes = causes
        self._encoded: dict[int, str] = {}

    def of(self, event: Event) -> str:
        """Return the metadata of an event as JSON."""
        cause = self._causes.get(id(event))
        if cause is None:
            return self._outer
        found = self._encoded.get(id(cause))
        if found is None:
            found = self._encoded[id(cause)] = encode_metadata(cause.envelope)
        return found


def new_events(events: Iterable[Event], ids: Iterator[UUID], time: datetime, metadata: Metadata) -> list[NewEvent]:
    """Return the encoded form of events, for an append to the log.

    Args:
        events: the events.
        ids: an id for each.
        time: when they are recorded.
        metadata: the metadata of the unit of work.

    Raises:
        ConfigurationError: an event has no stable name.
        EventNotRecordable: a field would come back changed.
    """
    encoded: list[NewEvent] = []
    for event in events:
        name, cause = event_name(event), metadata.of(event)
        data = json_of(event, "record", EventNotRecordable)
        tags = event_tags(event) if event.message_tags else ()
        encoded.append(NewEvent(next(ids), name, event.message_version, data, cause, time, tags))
    return encoded


def event_tags(event: Event) -> tuple[str, ...]:
    """Return the tags of an event.

    Raises:
        EventNotRecordable: a value cannot be a tag.
    """
    try:
        return tags_of(vars(event), event.message_tags)
    except TypeError as error:
        raise EventNotRecordable(
            f"cannot record {type(event).__name__}: a value of one of its tags "
            f"{event.message_tags!r:.200} has no single form: {error}. Nothing was written."
        ) from error


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
    """Return the metadata for the records of a handler, as JSON text; `metadata.event_envelope` decodes it.

    A command is not stored. So the metadata also has its name, and the id of the message that caused the command.
    """
    fields: dict[str, str | Mapping[str, str]] = {
        "correlation_id": str(cause.correlation_id),
        "causation_id": str(cause.id),
    }
    message: Message | None = cause.message  # none in a unit of work outside of handlers
    if message is not None:
        fields["cause"] = message.message_name or type(message).__name__
    if cause.causation_id is not None:
        fields["cause_of_cause"] = str(cause.causation_id)
    if cause.tenant is not None:
        fields["tenant"] = cause.tenant
    if cause.trace:
        fields["trace"] = dict(cause.trace)
    if cause.headers:
        fields["headers"] = dict(cause.headers)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
