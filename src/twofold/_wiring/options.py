"""The arguments of `Application`, checked when it is created and not when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from .._background.shown import shown_option, without_content
from .._definitions.aggregate import Aggregate
from .._definitions.retry import Retry
from .._definitions.thresholds import Thresholds
from .._telemetry.options import Telemetry
from ..errors import ConfigurationError


class Part(NamedTuple):
    """The requirement for an argument.

    Attributes:
        kind: what must be passed, with its article.
        needs: the attributes that the object must have.
        example: an example value.
    """

    kind: str
    needs: tuple[str, ...]
    example: str


_READ: Final = Part("a store", ("begin", "create_schema", "subscriptions"), "InMemory() or SqlAlchemy(engine)")

_PARTS: Final = {
    "write": _READ._replace(needs=(*_READ.needs, "log", "schedule")),
    "read": _READ._replace(example="Redis(client) or SqlAlchemy(engine)"),
    "transport": Part("a broker", ("publisher", "consume", "declare"), "RabbitMQ(url) or Redis(client).streams()"),
    "requests": Part("a transport of requests", ("request", "serve"), "RabbitMQ(url)"),
    "cache": Part("a cache", ("lookup", "fill", "invalidate"), "Redis(client).cache()"),
    "notifier": Part("a notifier", ("announce", "watch"), "Redis(client).notifier()"),
    "container": Part("a container of dependency_injector", ("providers",), "Container()"),
    "clock": Part("a clock", ("now",), "SystemClock()"),
    "ids": Part("a source of ids", ("new",), "UuidV7()"),
}


def check_parts(**given: Any) -> None:
    """Check the objects that were passed to an application, by argument name. None means that an argument was omitted.

    Raises:
        ConfigurationError: an object does not fit; the message says what to pass instead.
    """
    for argument, value in given.items():
        part = _PARTS[argument]
        if value is None and argument != "write":
            continue
        found = f"{argument}={without_content(value)}"
        if inspect.isclass(value) and argument != "container":
            raise _wrong(found, f"that is a class; pass {part.kind}, such as {part.example}")
        if all(hasattr(value, each) for each in part.needs):
            continue
        if argument == "write" and all(hasattr(value, each) for each in _READ.needs):
            advice = f"it stores read models only; pass it as read=, and as write= {part.kind} such as {part.example}"
            raise _wrong(found, advice)
        raise _wrong(found, f"pass {part.kind}, such as {part.example}")


def check_options(
    event_sourced: Any, keep_records: Any, lease: Any, retry_scheduled: Any, middleware: Any, health: Any
) -> tuple[type[Aggregate], ...]:
    """Check the options of an application; return the event-sourced aggregates.

    Raises:
        ConfigurationError: an option does not fit; the message says what to pass instead.
    """
    if not isinstance(event_sourced, Sequence) or isinstance(event_sourced, str):
        raise _wrong(
            f"event_sourced={shown_option(event_sourced)}", "pass a list of aggregate classes, such as [Order]"
        )
    for aggregate in event_sourced:
        if not (inspect.isclass(aggregate) and issubclass(aggregate, Aggregate)):
            raise _wrong(f"event_sourced=[{shown_option(aggregate)}]", "pass aggregate classes, such as [Order]")
    if keep_records is not None and not isinstance(keep_records, timedelta):
        raise _wrong(f"keep_records={shown_option(keep_records)}", "pass a timedelta, or None to keep records forever")
    if not isinstance(lease, int | float) or lease <= 0:
        raise _wrong(f"lease={shown_option(lease)}", "lease must be a positive number of seconds")
    if not isinstance(retry_scheduled, Retry):
        raise _wrong(f"retry_scheduled={shown_option(retry_scheduled)}", "pass a Retry, such as Retry(attempts=8)")
    if not isinstance(middleware, Sequence):
        raise _wrong(f"middleware={shown_option(middleware)}", "pass a list, such as [retry_conflicts()]")
    if not isinstance(health, Thresholds):
        raise _wrong(f"health={shown_option(health)}", "pass Thresholds, such as Thresholds(lag=10)")
    return tuple(event_sourced)


def check_telemetry(telemetry: object) -> None:
    """Check the telemetry option of an application.

    Raises:
        ConfigurationError: it is not a `Telemetry`, False or None.
    """
    if telemetry is not None and telemetry is not False and not isinstance(telemetry, Telemetry):
        raise _wrong(
            f"telemetry={without_content(telemetry)}",
            "pass Telemetry(), False to switch it off, or None to record if an OpenTelemetry provider is set",
        )


def _wrong(given: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"Application({given}): {advice}.")
