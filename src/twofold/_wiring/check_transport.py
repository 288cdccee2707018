"""Faults of relays, consumers and served messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .._background.shown import shown_option
from .._definitions.message import Event, Message, Query, snake_case
from .._definitions.names import wrong_broker_name
from .._encoding.result_types import answer_type, unresolved
from .._encoding.secrets import ADVICE, MASK, masked, masks
from .._registration.entries import ConsumeEntry, QueryEntry, RelayEntry
from .._registration.places import Place
from .._registration.registered import Registered
from ..errors import Fault
from ..ports.requests import Requests
from .planner import Planned


def check_transport(registered: Registered, *, has_transport: bool) -> Iterator[Fault]:
    """Yield relays and consumers without events or without a broker."""
    entries: list[RelayEntry | ConsumeEntry] = [*registered.relays, *registered.consumed]
    for entry in entries:
        if not has_transport:
            yield entry.place.fault(
                "The application relays or consumes events, but has no broker. Pass one: "
                "Application(..., transport=RabbitMQ(url))."
            )
        if not entry.events:
            yield entry.place.fault("No event class is named. Name the classes to relay or to consume.")
    yield from _check_relays(registered)
    yield from _check_consumers(registered)


def check_served(
    registered: Registered, queries: Mapping[QueryEntry, Planned | None], requests: object, transport: object
) -> Iterator[Fault]:
    """Yield served messages that cannot be handled."""
    streaming = {entry.message for entry, plan in queries.items() if plan is not None and plan.streams}
    handled: set[type[Any]] = {entry.message for entry in registered.commands}
    handled |= {entry.message for entry in registered.queries}
    for entry in registered.served:
        if not isinstance(requests, Requests):
            yield entry.place.fault(_no_requests(requests or transport))
        if wrong := registered.unfit_for_brokers:
            yield entry.place.fault(f"the application {registered.name!r} serves under its name. {wrong}.")
        for message in entry.messages:
            for fault in (*_unanswerable(message, registered.name, handled, streaming), *secret(message, "is served")):
                yield entry.place.fault(fault)
        names = Counter((issubclass(message, Query), message.message_name) for message in set(entry.messages))
        for (_, name), times in names.items():
            if name is not None and times > 1:
                yield entry.place.fault(f"{times} classes that are served are named {name!r}. Rename all but one.")
    for second in registered.served[1:]:
        yield second.place.fault(
            f"a second serve(); the first is at {registered.served[0].place}. Name all messages in one call."
        )


def _unanswerable(
    message: type[Message], application: str, handled: Collection[type[Any]], streaming: Collection[type[Any]]
) -> Iterator[str]:
    name = message.__name__
    if message not in handled:
        yield f"{name} is served but has no handler. Register a handler, or remove the message from serve()."
    if message in streaming:
        yield (
            f"{name} is served but returns a stream, which cannot be sent. Let the query return a list, page by page."
        )
    if missing := unresolved(message):
        yield missing
    if message.message_name is None:
        yield (
            f"{name} is served but has no stable name. Name it: class {name}(..., "
            f"name='{application}.{snake_case(name)}')."
        )


def secret(message: type[Message], how: str) -> Iterator[str]:
    """Yield why a message cannot be sent because of its secrets, or those of its result."""
    name = message.__name__
    if names := masked(message):
        yield (
            f"{name} {how} and would be sent without its secrets: {', '.join(names)} would arrive as {MASK}. {ADVICE}"
        )
    if masks(answer_type(message)):
        yield f"{name} {how}, and its result contains secrets, which would arrive as {MASK}. {ADVICE}"


def _no_requests(given: object) -> str:
    if given is None:
        return (
            "The application serves messages, but nothing carries them. Pass a broker: "
            "Application(..., transport=RabbitMQ(url))."
        )
    return (
        f"The application serves messages, but {type(given).__name__} carries events only. Use "
        "RabbitMQ for both, Application(..., transport=RabbitMQ(url)), or for the messages only, "
        "Application(..., requests=RabbitMQ(url))."
    )


def consumer_name(registered: Registered, entry: ConsumeEntry) -> str:
    """Return the name of an application's consumer at the broker."""
    return f"{registered.name}.{entry.source}" if entry.consumer is None else entry.consumer


def _check_relays(registered: Registered) -> Iterator[Fault]:
    wrong = registered.unfit_for_brokers
    if registered.relays and wrong:
        yield registered.relays[0].place.fault(
            f"the application {registered.name!r} publishes events under its name. {wrong}."
        )
    for relay in registered.relays[1:]:
        yield relay.place.fault(
            f"a second relay; the first is at {registered.relays[0].place}. Receivers need one checkpoint "
            "for each source: name all events in one call."
        )


def _check_consumers(registered: Registered) -> Iterator[Fault]:
    known: dict[object, Place] = {}
    for entry in registered.consumed:
        if Event in entry.events:
            yield entry.place.fault(
                f"all events of {shown_option(entry.source)} are consumed, which would include those of this application "
                f"itself. Name the events of {shown_option(entry.source)}, or a base class of them."
            )
        name = consumer_name(registered, entry)
        if not isinstance(name, str):
            yield entry.place.fault(f"consumer={shown_option(name)} is not a str. {wrong_broker_name(name)}.")
            continue
        for text in (entry.source, name):
            if wrong := wrong_broker_name(text):
                yield entry.place.fault(f"{shown_option(text)} is not a valid name at a broker. {wrong}.")
        if entry.source == registered.name:
            yield entry.place.fault(
                f"{registered.name!r} consumes its own events, which are already in its event log. Register projections and "
                "event handlers for them, and remove consume(); source= is the name of another application."
            )
        if name in known:
            yield entry.place.fault(
                f"two consumers are named {name!r}: here and at {known[name]}. Name all events of a source in one call, "
                "or pass another consumer= for one of them."
            )
        known.setdefault(name, entry.place)
        if entry.partitions < 1:
            yield entry.place.fault(f"partitions={entry.partitions} of {name!r}: must be at least 1.")
