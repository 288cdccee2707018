"""Caching options of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from .._background.shown import shown_option
from ..errors import InvalidDefinition
from .message import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Cache the answers of a query, if the application has a cache.

        @app.query_handler(
            GetOrder, cache=Cache(ttl=3600, key="order:{order_id}", invalidated_by={OrderPaid: "order:{order_id}"})
        )

    A session never gets an answer from before its own writes. Apart from that, a cached answer is as stale as the read
    models. It is deleted when its time to live ends, or as soon as the read models have an event that invalidates it.

    Attributes:
        ttl: the time to live of an answer, in seconds.
        key: the key of an answer, with fields of the query in braces. Queries with equal keys have equal answers, and equal
            values have equal keys. Tenants never share an answer.
        invalidated_by: the events that invalidate answers, for every tenant. Each has the key of the answers, with fields of
            the event in braces. A base class stands for all of its subclasses. An event invalidates the answers of each
            entry that matches.
        negative_ttl: the time to live of the answer None, in seconds. By default, None is not cached.
        jitter: the share of the time to live, from 0 to 1, by which it is shortened at random, so that answers do not all
            end at the same time.

    Raises:
        InvalidDefinition: an argument has the wrong type.
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
                raise InvalidDefinition(
                    f"cannot cache with {name}={shown_option(value)}: it must be a number of seconds{seconds}."
                )
        if not isinstance(self.key, str):
            raise InvalidDefinition(
                f"cannot cache with key={shown_option(self.key)}: it must be a string, such as 'order:{{order_id}}'."
            )
        if not isinstance(self.invalidated_by, Mapping):
            raise InvalidDefinition(
                f"cannot cache with invalidated_by={shown_option(self.invalidated_by)}: it must map each event to a key, "
                "such as {OrderPaid: 'order:{order_id}'}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """Counters of the cache in this process, since the application was started.

    Attributes:
        hits: answers that were found.
        misses: answers that were not found, or were too old for the session.
        fills: answers that were stored.
        refused: answers that were not stored, because their key was invalidated while they were loaded, or because the
            stored answer was as new.
        failures: calls that failed or timed out. Their queries were answered without the cache.
    """

    hits: int = 0
    misses: int = 0
    fills: int = 0
    refused: int = 0
    failures: int = 0
