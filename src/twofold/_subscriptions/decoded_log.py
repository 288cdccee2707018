"""The event log, with what decodes its events."""

from __future__ import annotations

from dataclasses import dataclass

from .._encoding.event_types import EventTypes
from ..ports.clock import Clock
from ..ports.event_log import EventLog


@dataclass(frozen=True, slots=True)
class DecodedLog:
    """The event log that the subscriptions of an application read.

    Attributes:
        events: the log.
        identity: the identity of the log.
        event_types: decodes the events.
        clock: the clock of retries.
    """

    events: EventLog
    identity: str
    event_types: EventTypes
    clock: Clock
