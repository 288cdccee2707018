"""The event bus inside an application, which records events."""

from __future__ import annotations

from .._buses.event_bus import EventBus
from .._definitions.message import Event
from ..errors import ApplicationNotRunning
from .caller import handling


class RecordingEventBus(EventBus):
    """Records events in the unit of work of the message that is being handled."""

    async def publish(self, event: Event, *, stream: str | None = None) -> None:
        """Record an event. It reaches subscribers through the event log, after the commit.

        Args:
            event: the event.
            stream: the stream to append to; by default the stream with the name of the event.

        Raises:
            ApplicationNotRunning: no command or event is being handled here.
        """
        scope = handling()
        if scope is None:
            raise ApplicationNotRunning(
                f"cannot publish {type(event).__name__} here: no command is being handled. "
                "Publish in a command handler or an event handler, so that the event is committed with its changes."
            )
        scope.unit_of_work().record(event, stream=stream)
