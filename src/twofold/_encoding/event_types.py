"""The event classes of an application."""

from __future__ import annotations

from uuid import UUID

from .._definitions.message import Event
from ..errors import UndecodableEvent
from ..ports.event_log import StoredEvent
from .wire_types import WireTypes

_REMEMBERED = 1000
"""The number of decoded events that are kept for other subscriptions."""


class EventTypes(WireTypes[Event]):
    """Decode stored events into the event classes of an application."""

    def __init__(self) -> None:
        super().__init__("event", UndecodableEvent)
        self._recent: dict[UUID, Event] = {}

    def decode_stored(self, stored: StoredEvent) -> Event:
        """Return a stored event as an event. Subscriptions that read the same event soon after one another share one object.

        Raises:
            UndecodableEvent: see `decode`.
        """
        event = self._recent.get(stored.id)
        if event is None:
            event = self.decode(stored.name, stored.schema, stored.data)
            if len(self._recent) >= _REMEMBERED:
                del self._recent[next(iter(self._recent))]
            self._recent[stored.id] = event
        return event
