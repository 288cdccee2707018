"""Where a broker can be broken: its connections, and what they publish and consume."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.mutants.combinators import Wrap, both, instead
from twofold.ports import Feed, Transport
from twofold.testing.conformance import TransportSuite
from twofold.testing.conformance._tools.proxy import Proxy


class QuickSuite(TransportSuite):
    """The same cases with fewer messages."""

    published = 300
    processes = 5
    in_order = 100


def connections(wrap: Wrap) -> Wrap:
    """Break each connection to a broker."""

    def connecting(connect: Callable[[], Any]) -> Any:
        async def connected() -> Any:
            return wrap(await connect())

        return connected

    return connecting


def publishers(wrap: Wrap) -> Wrap:
    """Break how each connection publishes."""
    return connections(lambda connection: Proxy(connection, publisher=wrap(connection.publisher)))


def consumers(wrap: Wrap) -> Wrap:
    """Break each consumer."""
    return consumers_of(lambda _: wrap)


def consumers_of(make: Callable[[Any], Wrap]) -> Wrap:
    """Break each consumer in a way that needs its connection."""

    @asynccontextmanager
    async def consume(connection: Transport, feed: Feed) -> AsyncIterator[Any]:
        async with connection.consume(feed) as consumer:
            yield make(connection)(consumer)

    return connections(instead(consume=consume))


unbroken = both(publishers(Proxy), consumers(Proxy))
"""Wraps all that mutants of brokers wrap, and breaks nothing."""
