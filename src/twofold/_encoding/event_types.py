"""The event classes that an application knows."""

from __future__ import annotations

from uuid import UUID

from .._definitions.message import Event
from ..errors import UndecodableEvent
from ..ports.event_log import StoredEvent
from .wire_types import WireTypes

_REMEMBERED = 1000
"""How many decoded events are kept for other subscriptions."""


class EventTypes(WireTypes[Event]):
    """The event classes that an application knows."""

    def __init__(self) -> None:
        super().__init__("event", UndecodableEvent)
        self._recent: dict[UUID, Event] = {}

    def decode_stored(self, stored: StoredEvent) -> Event:
        """Make an event from its record. Subscriptions that read the same event soon after one another share one object.

        Raises:
            UndecodableEvent: as `decode`.
        """
        event = self._recent.get(stored.id)
        if event is None:
            event = self.decode(stored.name, stored.schema, stored.data)
            if len(self._recent) >= _REMEMBERED:
                del self._recent[next(iter(self._recent))]
            self._recent[stored.id] = event
        return event
