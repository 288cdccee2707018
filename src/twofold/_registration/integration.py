"""Registration of processes, and for other applications: events to relay and to consume, messages to serve."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from .._background.shown import shown_option
from .._buses.decorators import check_message
from .._definitions.message import Command, Event, Message, Query
from .._definitions.names import wrong_broker_name, wrong_label
from .._definitions.process import Process
from .._definitions.retry import Retry, Start
from ..errors import InvalidDefinition
from .entries import AnswererEntry, ConsumeEntry, ProcessEntry, RelayEntry, ServeEntry, origin
from .places import calling_frame, here
from .registered import Registered

P = TypeVar("P", bound=type[Process])


class Integration:
    """The methods of `Router` for processes, and for communication with other applications."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._registered = Registered(name, unfit_for_brokers=wrong_broker_name(name))

    def relay(
        self,
        *event_types: type[Event],
        name: str = "relay",
        start: Start = "now",
        partition_by: str | None = None,
        retry: Retry = Retry(attempts=10, delay=0.5),
        unroutable: Literal["park", "drop"] = "park",
    ) -> None:
        """Publish events to other applications through the broker (`transport=`), as CloudEvents.

        Every event is published at least once, and confirmed by the broker. Events of one key are published in the order of
        the event log. `consume` ignores duplicates. While the broker is not reachable, the relay waits. Events that were
        consumed from another application are not relayed.

        Args:
            event_types: the event classes. A base class stands for the subclasses that are defined when the application
                starts.
            name: the stable name of the checkpoint. A new name starts a new subscription.
            start: where a new subscription starts: "now" (with the next event), "beginning", or a position.
            partition_by: the event field that is the ordering key. By default, the stream of the event.
            retry: the attempts and delays for an event that the broker refuses.
            unroutable: what happens to an event without a receiver. "park" parks it after the last attempt, together with
                later events of its key. "drop" ignores it.
        """
        for event_type in event_types:
            check_message("relay", event_type, Event, write="app.relay(SomeEvent)")
        if wrong := wrong_label(name):
            raise InvalidDefinition(f"cannot use relay(name={shown_option(name)}): this name is not valid. {wrong}.")
        place = here(calling_frame(1))
        self._registered.open.relays.append(
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
        """Consume events of another application through the broker (`transport=`), for projections and event handlers.

        Every event is recorded exactly once in the event log of this application, in order per key, in the stream
        `<source>/<stream>`. Subscriptions then read it like any other event. A session with a consistency token of the
        source waits for the events that the token covers.

        Args:
            event_types: the event classes, with the wire names of the source. A base class stands for the subclasses that
                are defined when the application starts.
            source: the name of the application that publishes the events.
            consumer: the stable name under which the broker stores the events for this application. By default,
                `<application>.<source>`. All processes with this name share the events.
            partitions: the number of partitions by key, so that several processes can consume at the same time.
            start: where a new consumer starts: "now", or "beginning" with the oldest event that the broker still has.
        """
        for event_type in event_types:
            check_message("consume", event_type, Event, write="app.consume(SomeEvent, source='orders')")
        self._registered.open.consumed.append(
            ConsumeEntry(
                source=source, events=event_types, place=here(calling_frame(1)), consumer=consumer,
                partitions=partitions, start=start,
            )
        )  # fmt: skip

    def serve(self, *messages: type[Message], partitions: int = 1) -> None:
        """Serve commands and queries to other processes, which send them with the remote buses.

        They pass through the same middleware as messages of this process. Errors of handlers are returned to the sender,
        with their text and their public attributes.

        Args:
            messages: command and query classes with stable names.
            partitions: the number of partitions by key, so that several processes can serve at the same time.
        """
        for message in messages:
            check_message("serve", message, Message, write="app.serve(SomeCommand)")
        self._registered.open.served.append(
            ServeEntry(messages=messages, place=here(calling_frame(1)), partitions=partitions)
        )

    def remote_answerer(
        self,
        query_type: type[Query[Any]],
        *,
        service: str,
        name: str | None = None,
        errors: Sequence[type[Exception]] = (),
    ) -> None:
        """Let another application answer a query, beside the handlers of this application; see `Session.gather`.

        The other application serves the query, and has one handler of it. The requests of this application carry it.

        Args:
            query_type: the query class, with a stable name.
            service: the name of the other application.
            name: the name of its answers; by default `service`.
            errors: classes of exceptions that are failures as themselves; see `RemoteQueryBus`.
        """
        check_message("remote_answerer", query_type, Query, write="app.remote_answerer(SomeQuery, service='depot')")
        self._registered.open.answerers.append(
            AnswererEntry(
                message=query_type, service=service, name=service if name is None else name, errors=tuple(errors),
                place=here(calling_frame(1)),
            )
        )  # fmt: skip

    def process(
        self,
        *,
        start: Start = "now",
        retry: Retry = Retry(),
        partitions: int = 1,
        remote: Mapping[type[Command[Any]], str] | None = None,
    ) -> Callable[[P], P]:
        """Register a process (saga, process manager): a class derived from `Process`.

            @orders.process(partitions=4, remote={ShipOrder: "shipping"})
            class Fulfilment(Process, name="orders.fulfilment", key="order_id"): ...

        Each input is handled once, and each command takes effect once. Inputs with one key are handled in the order of the
        event log. A failing input is retried, and then parked with later inputs of its key.

        Args:
            start: where a new process starts in the event log: "now" (with the next event), "beginning", or a position.
            retry: the attempts and delays for a failing input or command. A compensation that still fails is stuck.
            partitions: the number of partitions by key, so that inputs are handled concurrently.
            remote: for each command of another application, the name of that application, which serves the command. The
                requests of this application carry it.
        """
        frame = calling_frame(1)

        def register(cls: P) -> P:
            given: object = cls
            if not (inspect.isclass(given) and issubclass(given, Process)):
                raise InvalidDefinition(
                    f"cannot use @process with {shown_option(given)}: it is not derived from Process. Write "
                    "class Fulfilment(Process, name='orders.fulfilment', key='order_id')."
                )
            self._registered.open.processes.append(
                ProcessEntry(
                    **origin(cls, frame), process=cls, start=start, retry=retry, partitions=partitions,
                    remote=dict(remote or {}),
                )
            )  # fmt: skip
            return cls

        return register
