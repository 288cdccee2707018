"""Where an adapter can be broken: its parts, by their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from tests.mutants.combinators import Wrap, both, instead
from twofold.testing.conformance._tools.proxy import Proxy

Place: TypeAlias = Callable[[Wrap], Wrap]
"""Break something by breaking one of its parts."""


def at(path: str, broken: Wrap) -> Wrap:
    """Break a part of an adapter.

    Args:
        path: the names of the parts from the adapter to the one that is broken, with dots, such as "log",
            "transaction.log", "transaction.rows" or "connection.publisher". "transaction" is every transaction of a store;
            "writing" and "reading" are those that write and those that only read. "rows" and "state" are those of every
            view and aggregate type. "connection" is every connection to a broker, and "consumer" each of its consumers.
        broken: breaks the part.
    """
    part, _, inside = path.partition(".")
    broken_part = _PARTS.get(part) or _attribute(part)
    return broken_part(at(inside, broken) if inside else broken)


def _attribute(name: str) -> Place:
    return lambda broken: lambda inner: Proxy(inner, **{name: broken(getattr(inner, name))})


def _transactions(*, reading: bool, writing: bool) -> Place:
    def wrap(broken: Wrap) -> Wrap:
        async def begin(store: Any, *, read_only: bool = False) -> Any:
            transaction = await store.begin(read_only=read_only)
            return broken(transaction) if (reading if read_only else writing) else transaction

        return instead(begin=begin)

    return wrap


def _tables(method: str) -> Place:
    def wrap(broken: Wrap) -> Wrap:
        return instead(**{method: lambda inner, *of, **how: broken(getattr(inner, method)(*of, **how))})

    return wrap


def _connections(broken: Wrap) -> Wrap:
    def wrap(connect: Any) -> Any:
        async def connected() -> Any:
            return broken(await connect())

        return connected

    return wrap


def _consumers(broken: Wrap) -> Wrap:
    @asynccontextmanager
    async def consume(connection: Any, feed: Any) -> AsyncIterator[Any]:
        async with connection.consume(feed) as consumer:
            yield broken(consumer)

    return instead(consume=consume)


_PARTS: dict[str, Place] = {
    "transaction": _transactions(reading=True, writing=True),
    "writing": _transactions(reading=False, writing=True),
    "reading": _transactions(reading=True, writing=False),
    "rows": _tables("rows"),
    "state": _tables("state"),
    "connection": _connections,
    "consumer": _consumers,
}

unbroken_read_store = both(
    at("subscriptions", Proxy),
    at("parked", Proxy),
    at("transaction.checkpoints", Proxy),
    at("transaction.parked", Proxy),
    at("transaction.shadows", Proxy),
    at("transaction.rows", Proxy),
)
"""Wraps all that mutants of a read store wrap, and breaks nothing."""

unbroken_store = both(
    unbroken_read_store,
    at("log", Proxy),
    at("keys", Proxy),
    at("inbox", Proxy),
    at("schedule", Proxy),
    at("steps", Proxy),
    at("processes", Proxy),
    at("transaction.log", Proxy),
    at("transaction.state", Proxy),
    at("transaction.snapshots", Proxy),
    at("transaction.storage_kinds", Proxy),
    at("transaction.tags", Proxy),
    at("transaction.keys", Proxy),
    at("transaction.inbox", Proxy),
    at("transaction.schedule", Proxy),
    at("transaction.unique", Proxy),
    at("transaction.steps", Proxy),
    at("transaction.processes", Proxy),
)
"""The same for a write store."""

unbroken_broker = both(at("connection.publisher", Proxy), at("connection.consumer", Proxy))
"""The same for a broker."""

unbroken_requests = at("connection", Proxy)
"""The same for a broker that carries requests only."""
