"""What an application is composed of: found to be wrong when it is made, not when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ._aggregate import Aggregate
from .errors import ConfigurationError


def check_composition(
    write: Any, read: Any, event_sourced: Any, keep_records: Any, lease: Any
) -> tuple[type[Aggregate], ...]:
    """Look at what an application was given; return the event-sourced aggregates.

    Raises:
        ConfigurationError: something is not what it should be; the text says what to give instead.
    """
    for side, store in (("write", write), ("read", read)):
        if store is not None and not hasattr(store, "begin"):
            raise _wrong(f"{side}={store!r:.100}", "give a store, such as InMemory() or SqlAlchemy(engine)")
    if not isinstance(event_sourced, Sequence) or isinstance(event_sourced, str):
        raise _wrong(f"event_sourced={event_sourced!r:.100}", "give a list of aggregate classes, such as [Order]")
    for aggregate in event_sourced:
        if not (inspect.isclass(aggregate) and issubclass(aggregate, Aggregate)):
            raise _wrong(f"event_sourced=[{aggregate!r:.100}]", "give the classes themselves, such as [Order]")
    if keep_records is not None and not isinstance(keep_records, timedelta):
        raise _wrong(f"keep_records={keep_records!r:.100}", "give a timedelta, or None to keep them for ever")
    if not isinstance(lease, int | float) or lease <= 0:
        raise _wrong(f"lease={lease!r:.100}", "give seconds, more than 0")
    return tuple(event_sourced)


def _wrong(given: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"cannot make an application with {given}: {advice}.")
