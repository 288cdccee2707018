"""How the answers of a query are cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from string import Formatter

from ..errors import InvalidDefinition
from .message import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Keep the answers of a query, where the application has a cache; without one, each is loaded.

        @app.query_handler(
            GetOrder, cache=Cache(ttl=3600, key="order:{order_id}", invalidated_by={OrderPaid: "order:{order_id}"})
        )

    An answer is never older than what a session wrote that asks for it. Otherwise it is as old as the read models are, and
    is forgotten as soon as they have an event that invalidates it, and when its time is up.

    Attributes:
        ttl: how long an answer is kept, in seconds.
        key: what answers are kept under: a text with fields of the query in braces. Queries with equal keys have equal
            answers; tenants do not meet.
        invalidated_by: the events that make an answer worthless, for every tenant, each with its key: a text with fields of
            the event.
        negative_ttl: how long the answer None is kept, in seconds; not at all by default.
        jitter: by which share of itself the time is shorter at random, so that not all end at once.

    Raises:
        InvalidDefinition: one of them is of another type.
    """

    ttl: float
    key: str
    invalidated_by: Mapping[type[Event], str] = field(default_factory=dict)
    negative_ttl: float | None = None
    jitter: float = 0.1

    def __post_init__(self) -> None:
        for name in ("ttl", "negative_ttl", "jitter"):
            value: object = getattr(self, name)
            if not isinstance(value, int | float) and (value is not None or name != "negative_ttl"):
                seconds = f", such as {value.total_seconds():g}" if isinstance(value, timedelta) else ""
                raise InvalidDefinition(f"cannot cache with {name}={value!r:.100}: pass a number of seconds{seconds}.")
        if not isinstance(self.key, str):
            raise InvalidDefinition(
                f"cannot cache with key={self.key!r:.100}: pass a text, such as 'order:{{order_id}}'."
            )
        if not isinstance(self.invalidated_by, Mapping):
            raise InvalidDefinition(
                f"cannot cache with invalidated_by={self.invalidated_by!r:.100}: pass the key of each event, such as "
                "{OrderPaid: 'order:{order_id}'}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What the cache did in this process since the application was entered.

    Attributes:
        hits: answers that were found.
        misses: answers that were not, or were too old for who asked.
        fills: answers that were put in.
        refused: answers that were not, because their key was invalidated while they were loaded, or others were as new.
        failures: calls that failed or took too long; their queries were answered without the cache.
    """

    hits: int = 0
    misses: int = 0
    fills: int = 0
    refused: int = 0
    failures: int = 0


def fields_of(key: str) -> list[tuple[str, str, str | None]]:
    """Return the names in the braces of a key, each with its format and its conversion.

    Raises:
        ValueError: the braces do not match.
    """
    return [(name, spec or "", conversion) for _, name, spec, conversion in Formatter().parse(key) if name is not None]
