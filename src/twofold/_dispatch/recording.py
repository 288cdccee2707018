"""The event bus inside an application: it records."""

from __future__ import annotations

from .._buses.event_bus import EventBus
from .._definitions.message import Event
from ..errors import ApplicationNotRunning
from .scope import current


class RecordingEventBus(EventBus):
    """Records events in the unit of work of the message that is being handled."""

    async def publish(self, event: Event, *, stream: str | None = None) -> None:
        """Record an event; it reaches subscribers through the log, after the commit, and nobody if it is rolled back.

        Args:
            event: the event.
            stream: the stream it goes to; by default the one called like the event.

        Raises:
            ApplicationNotRunning: no command or event handler is being handled here.
        """
        scope = current.get()
        if scope is None or not scope.joinable:
            raise ApplicationNotRunning(
                f"cannot publish {type(event).__name__} here: no command is being handled. "
                "Publish in a command handler or an event handler, so that the event is committed with what it tells of."
            )
        scope.unit_of_work().record(event, stream=stream)
