"""Queries with several answerers: handlers of this application, and other applications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._background.shown import shown_option
from .._definitions.message import Query, snake_case
from .._definitions.names import wrong_broker_name, wrong_label
from .._dispatch.gathering import Answerer, RemoteAnswerer
from .._encoding.exceptions import by_name
from .._encoding.result_types import unresolved
from .._registration.entries import AnswererEntry, QueryEntry
from .._registration.places import Place
from .._registration.registered import Registered
from .._remote.buses import RemoteQueryBus
from ..errors import ConfigurationError, Fault
from ..ports.requests import Requests
from .check_transport import secret
from .parts import Parts
from .planner import Planned


def check_answerers(
    registered: Registered, queries: Mapping[QueryEntry, Planned | None], requests: object
) -> Iterator[Fault]:
    """Yield answerers that share a name, and answerers that cannot answer."""
    named: dict[tuple[type[Any], str], Place] = {}
    entries: list[QueryEntry | AnswererEntry] = [*registered.queries, *registered.answerers]
    for entry in entries:
        name = entry.name if isinstance(entry, AnswererEntry) else entry.answerer
        if name is None:
            continue
        query = entry.message.__name__
        first = named.setdefault((entry.message, name), entry.place)
        if first is not entry.place:
            yield entry.place.fault(
                f"two answerers of {query} are named {name!r}; the first is at {first}. Pass another name=."
            )
        plan = None if isinstance(entry, AnswererEntry) else queries.get(entry)
        if plan is not None and plan.streams:
            yield entry.place.fault(
                f"{query} has several handlers, and {name!r} streams. Let the query return a list, page by page."
            )
    single = {entry.message: entry for entry in registered.queries if entry.answerer is None}
    for query_type in {query_type for query_type, _ in named} & single.keys():
        yield single[query_type].place.fault(
            f"{query_type.__name__} has several answerers, and a handler without a name. Register the handler with "
            f"@app.query_handler({query_type.__name__}, many=True, name='…')."
        )
    for served in registered.served:
        for message in served.messages:
            if any(message is query_type for query_type, _ in named) and message not in single:
                yield served.place.fault(
                    f"{message.__name__} is served and has several answerers, but a reply has one answer. Serve a query "
                    "with one handler, which gathers the answers."
                )
    for remote in registered.answerers:
        yield from _check_remote(remote, registered.name, requests)


def _check_remote(entry: AnswererEntry, application: str, requests: object) -> Iterator[Fault]:
    name = entry.message.__name__
    if wrong := _wrong_bus(entry):
        yield entry.place.fault(f"the remote answerer {shown_option(entry.service)} of {name} is not valid. {wrong}")
    elif entry.service == application:
        yield entry.place.fault(
            f"{application!r} is the remote answerer of its own query {name}. Register a handler with "
            f"@app.query_handler({name}, many=True, name='…')."
        )
    if wrong := wrong_label(entry.name):
        yield entry.place.fault(f"name={shown_option(entry.name)} of an answerer of {name} is not valid. {wrong}.")
    if not isinstance(requests, Requests):
        yield entry.place.fault(
            f"{entry.service!r} answers {name}, and nothing carries requests. Pass requests= or transport=, such as "
            "RabbitMQ(url). Redis Streams carry events only."
        )
    if entry.message.message_name is None:
        yield entry.place.fault(
            f"{name} is sent to {entry.service!r} and has no stable name. Name it: class {name}(..., "
            f"name='{entry.service}.{snake_case(name)}')."
        )
    if missing := unresolved(entry.message):
        yield entry.place.fault(missing)
    for fault in secret(entry.message, f"is sent to {entry.service!r}"):
        yield entry.place.fault(fault)


def _wrong_bus(entry: AnswererEntry) -> str | None:
    """Return why no bus can be created for an answerer, or None."""
    if wrong := wrong_broker_name(entry.service):
        return f"{wrong}."
    try:
        by_name(entry.errors)
    except ConfigurationError as error:
        return str(error)
    return None


def remote_answerers(parts: Parts) -> Mapping[type[Query[Any]], Mapping[str, Answerer]]:
    """Return the other applications that answer each query, by name."""
    found: dict[type[Query[Any]], dict[str, Answerer]] = {}
    for entry in parts.registered.answerers:
        if parts.requests is not None and not _wrong_bus(entry):
            bus = RemoteQueryBus(
                parts.requests, entry.service, errors=entry.errors, ids=parts.ids, telemetry=parts.telemetry
            )
            found.setdefault(entry.message, {})[entry.name] = RemoteAnswerer(entry.service, _asking(bus))
    return found


def _asking(bus: RemoteQueryBus) -> Any:
    return lambda query, seconds: bus.execute(query, timeout=seconds)
