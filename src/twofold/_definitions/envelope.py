"""What travels around a message, and what its sender says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic
from uuid import UUID

from typing_extensions import TypeVar

from .message import Message
from .position import Position

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Generic[M_co]):
    """A message with all that is known about it.

    Attributes:
        message: the message itself.
        id: unique (UUIDv7).
        correlation_id: the id of the message that started the whole conversation.
        causation_id: the id of the message whose handling caused this one; None for the first.
        time: when it was made, UTC.
        tenant: whose data it concerns, or None.
        trace: the W3C trace context (`traceparent`, `tracestate`), empty when not traced.
        headers: anything else the sender added.
        stream: the stream an event is stored in; None while it is not stored.
        version: the event's number in its stream, from 1; None while it is not stored.
        position: the event's place in the log; None while it is not stored.
    """

    message: M_co
    id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    time: datetime
    tenant: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: str | None = None
    version: int | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the caller of a first message says about it.

    Attributes:
        tenant: whose data it concerns.
        trace: the W3C trace context.
        headers: anything else.
        correlation_id: the first message of the conversation that it belongs to; itself when None.
        causation_id: the message that caused it.
    """

    tenant: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
