"""Envelopes: the metadata of a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic
from uuid import UUID

from typing_extensions import TypeVar

from ..errors import InvalidKey
from .message import Message
from .names import LONGEST_LABEL, is_text, wrong_text
from .position import Position

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Generic[M_co]):
    """A message with its metadata.

    Attributes:
        message: the message itself.
        id: the unique id of the message, a UUIDv7.
        correlation_id: the id of the first message of the conversation.
        causation_id: the id of the message whose handler sent this one, or None for the first message.
        time: the time at which the message was sent, in UTC.
        tenant: the tenant whose data the message concerns, or None.
        trace: the W3C trace context (`traceparent`, `tracestate`). Empty without tracing.
        headers: further metadata from the sender.
        stream: the stream in which an event is stored, or None before that.
        version: the number of an event in its stream, from 1, or None before it is stored.
        position: the position of an event in the event log, or None before it is stored.
        attempt: the number of this attempt to handle an event or a scheduled command, from 1: the failed attempts that
            are stored, plus 1. A restart does not reset the number. It is 1 for every other message.
        idempotency_key: the idempotency key that a command was dispatched with, or None.
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
    attempt: int = 1
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The metadata that the sender of a first message passes.

    Attributes:
        tenant: the tenant whose data the message concerns.
        trace: the W3C trace context.
        headers: further metadata.
        correlation_id: the id of the first message of the conversation. If it is None, this message is the first.
        causation_id: the id of the message that caused this one.

    Raises:
        InvalidKey: the tenant is not a text that every store can keep, or the trace or the headers do not map texts to such
            texts.
    """

    tenant: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    correlation_id: UUID | None = None
    causation_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.tenant is not None:
            wrong = wrong_text(self.tenant, LONGEST_LABEL)
            if wrong:
                raise InvalidKey(f"cannot use {self.tenant!r:.100} as a tenant: {wrong}.")
        for kind, texts in (("trace", self.trace), ("headers", self.headers)):
            for name, value in texts.items():
                if not (is_text(name) and is_text(value)):
                    raise InvalidKey(
                        f"cannot use {kind} with {name!r:.100}: {value!r:.100}. Map each str to a str, without NUL and "
                        "without half of a surrogate pair."
                    )
