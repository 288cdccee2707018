"""What an application is composed of: found to be wrong when it is made, not when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from .._definitions.aggregate import Aggregate
from .._definitions.retry import Retry
from ..errors import ConfigurationError


class Part(NamedTuple):
    """What an argument has to be.

    Attributes:
        kind: what it is called, with its article.
        needs: attributes by which it is known.
        example: how it may be written.
    """

    kind: str
    needs: tuple[str, ...]
    example: str


_READ: Final = Part("a store", ("begin", "create_schema", "subscriptions"), "InMemory() or SqlAlchemy(engine)")

_PARTS: Final = {
    "write": _READ._replace(needs=(*_READ.needs, "log", "schedule")),
    "read": _READ._replace(example="Redis(client) or SqlAlchemy(engine)"),
    "transport": Part("a broker", ("publisher", "consume", "declare"), "RabbitMQ(url) or Redis(client).streams()"),
    "requests": Part("what carries requests", ("request", "serve"), "RabbitMQ(url)"),
    "cache": Part("a cache", ("lookup", "fill", "invalidate"), "Redis(client).cache()"),
    "notifier": Part("what gives notifications", ("announce", "watch"), "Redis(client).notifier()"),
    "container": Part("a container of dependency_injector", ("providers",), "Container()"),
    "clock": Part("a clock", ("now",), "SystemClock()"),
    "ids": Part("what makes ids", ("new",), "UuidV7()"),
}


def check_parts(**given: Any) -> None:
    """Look at the objects that an application was given, by the names of its arguments; None is none.

    Raises:
        ConfigurationError: one is not what it should be; the text says what to give instead.
    """
    for argument, value in given.items():
        part = _PARTS[argument]
        if value is None and argument != "write":
            continue
        found = f"{argument}={value!r:.100}"
        if inspect.isclass(value) and argument != "container":
            raise _wrong(found, f"that is the class itself; give {part.kind}, such as {part.example}")
        if all(hasattr(value, each) for each in part.needs):
            continue
        if argument == "write" and all(hasattr(value, each) for each in _READ.needs):
            advice = f"it keeps read models only; give it as read=, and as write= {part.kind} such as {part.example}"
            raise _wrong(found, advice)
        raise _wrong(found, f"give {part.kind}, such as {part.example}")


def check_options(
    event_sourced: Any, keep_records: Any, lease: Any, retry_scheduled: Any, middleware: Any
) -> tuple[type[Aggregate], ...]:
    """Look at the options of an application; return the event-sourced aggregates.

    Raises:
        ConfigurationError: something is not what it should be; the text says what to give instead.
    """
    if not isinstance(event_sourced, Sequence) or isinstance(event_sourced, str):
        raise _wrong(f"event_sourced={event_sourced!r:.100}", "give a list of aggregate classes, such as [Order]")
    for aggregate in event_sourced:
        if not (inspect.isclass(aggregate) and issubclass(aggregate, Aggregate)):
            raise _wrong(f"event_sourced=[{aggregate!r:.100}]", "give the classes themselves, such as [Order]")
    if keep_records is not None and not isinstance(keep_records, timedelta):
        raise _wrong(f"keep_records={keep_records!r:.100}", "give a timedelta, or None to keep them for ever")
    if not isinstance(lease, int | float) or lease <= 0:
        raise _wrong(f"lease={lease!r:.100}", "give seconds, more than 0")
    if not isinstance(retry_scheduled, Retry):
        raise _wrong(f"retry_scheduled={retry_scheduled!r:.100}", "give a Retry, such as Retry(attempts=8)")
    if not isinstance(middleware, Sequence):
        raise _wrong(f"middleware={middleware!r:.100}", "give a list, such as [retry_conflicts()]")
    return tuple(event_sourced)


def _wrong(given: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"cannot make an application with {given}: {advice}.")
