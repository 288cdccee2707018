"""What a module has to do with other applications: events that it relays and consumes, messages that it serves."""

from __future__ import annotations

from types import FrameType
from typing import Literal

from .._buses.decorators import check_message
from .._definitions.message import Event, Message
from .._definitions.retry import Retry, Start
from .entries import ConsumeEntry, RelayEntry, ServeEntry
from .places import Place, calling_frame
from .registered import Registered


class FacingOutside:
    """The part of `Router` that is about other applications."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._registered = Registered(name)

    def relay(
        self,
        *event_types: type[Event],
        name: str = "relay",
        start: Start = "now",
        partition_by: str | None = None,
        retry: Retry = Retry(attempts=10, delay=0.5),
        unroutable: Literal["park", "drop"] = "park",
    ) -> None:
        """Publish events through the broker (`transport=`) for other applications, as CloudEvents.

        Each is published at least once and confirmed, those of one key in the order of the log; receivers that `consume`
        them recognise repeats. While the broker is away the relay waits. Events that this application itself
        received from another one are not passed on.

        Args:
            event_types: the events.
            name: the stable name of its checkpoint. Renaming it starts it anew.
            start: where it begins the first time: "now" (events recorded from then on), "beginning", or a position.
            partition_by: the event field that is the ordering key; the event's stream by default.
            retry: how often an event is tried that the broker answers but does not take.
            unroutable: what to do with an event for which the broker has no receiver: "park" it when its tries are used up,
                with what follows of its key, or "drop" it, where nobody may be listening.
        """
        for event_type in event_types:
            check_message("relay", event_type, Event, write="app.relay(SomeEvent)")
        place = here(calling_frame(1))
        self._registered.relays.append(
            RelayEntry(
                name=name,
                events=event_types,
                place=place,
                start=start,
                partition_by=partition_by,
                retry=retry,
                unroutable=unroutable,
            )
        )

    def consume(
        self,
        *event_types: type[Event],
        source: str,
        consumer: str | None = None,
        partitions: int = 1,
        start: Literal["now", "beginning"] = "now",
    ) -> None:
        """Receive events of another application through the broker (`transport=`), for projections and event handlers here.

        Each is recorded once in this application's log, in order per key, in the stream `<source>/<stream there>`, and goes
        from there as any event does. A session that was opened with a token of the source waits for what it wrote there.

        Args:
            event_types: the events, under the wire names that they have there.
            source: the name of the application that publishes them.
            consumer: the stable name under which the broker keeps them for this application; `<application>.<source>` by
                default. All processes with that name share the messages.
            partitions: into how many parts they are divided by their key, so that several processes can receive them.
            start: where it begins the first time: "now", or "beginning" with all that the broker has still kept.
        """
        for event_type in event_types:
            check_message("consume", event_type, Event, write="app.consume(SomeEvent, source='orders')")
        self._registered.consumed.append(
            ConsumeEntry(
                source=source, events=event_types, place=here(calling_frame(1)), consumer=consumer,
                partitions=partitions, start=start,
            )
        )  # fmt: skip

    def serve(self, *messages: type[Message], partitions: int = 1) -> None:
        """Answer these commands and queries for other processes, which send them with the remote buses.

        They pass through the same middleware as those of this process. Errors of handlers go back to the sender, with
        their text and their public attributes.

        Args:
            messages: commands and queries with stable names.
            partitions: into how many parts requests are divided by their key, so that several processes can share them.
        """
        for message in messages:
            check_message("serve", message, Message, write="app.serve(SomeCommand)")
        self._registered.served.append(
            ServeEntry(messages=messages, place=here(calling_frame(1)), partitions=partitions)
        )


def here(frame: FrameType) -> Place:
    """Return where a frame is."""
    return Place(frame.f_code.co_filename, frame.f_lineno)
