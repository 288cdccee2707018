"""Applications that start before their broker does; the same over every broker."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest

from tests.domains.shops import GetParcel, Sell, Sold, depot, shop
from twofold import Application
from twofold.errors import ReadNotReady
from twofold.ports import Transport
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemory


class Outage(Protocol):
    """Makes the broker of a test unavailable."""

    async def begin(self) -> None:
        """Make the broker unavailable, and break its connections."""
        ...

    async def end(self) -> None:
        """Make the broker available again, if it is not."""
        ...


Connect = Callable[[], Transport]
"""Makes a transport to the broker of the test, as a process would; nothing connects yet."""


@asynccontextmanager
async def started(*apps: Application) -> AsyncIterator[None]:
    """Enter applications, and see that none waits for its broker for long."""
    for app in apps:
        await app.create_schema()
        with in_time():
            await app.__aenter__()
    try:
        yield
    finally:
        for app in reversed(apps):
            await app.__aexit__(None, None, None)


def selling(transport: Transport, **options: Any) -> Application:
    """Return a shop that relays."""
    app = Application("shop", write=InMemory(), transport=transport, lease=0.5, **options)
    app.include(shop)
    app.relay(Sold)
    return app


def shipping(transport: Transport, **options: Any) -> Application:
    """Return a depot that consumes."""
    app = Application("depot", write=InMemory(), transport=transport, lease=0.5, **options)
    app.include(depot)
    app.consume(Sold, source="shop")
    return app


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the tracebacks in the log of Twofold, without those of drivers."""
    return [each.getMessage() for each in caplog.records if each.exc_info and each.name.startswith("twofold")]


class LateBrokerCases:
    """Needs the fixtures `outage` and `connect`."""

    async def test_events_wait_for_the_broker(
        self, outage: Outage, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Both applications start without the broker and report it.

        Events that are sold during this time arrive later.
        """
        caplog.set_level(logging.INFO)
        await outage.begin()
        store, ship = selling(connect()), shipping(connect())
        async with started(ship, store):
            await self._sell_meanwhile(store, ship)
            await outage.end()
            async with store.session() as session:
                await session.dispatch(Sell(order_id="a"))
            parcel = await ship.execute(GetParcel(order_id="a"), after=session.token, timeout=CEILING)
            assert parcel is not None
            assert parcel.numbers == (1, 2, 3)

            await ship.settle(timeout=CEILING)

            async def both_are_well() -> bool:
                return (await store.health()).healthy and (await ship.health()).healthy

            await until(both_are_well)
        assert tracebacks(caplog) == []
        assert any("starts without its broker" in each for each in caplog.messages)

    async def _sell_meanwhile(self, store: Application, ship: Application) -> None:
        async with store.session() as session:
            await session.dispatch(Sell(order_id="a", number=2))
        with pytest.raises(ReadNotReady, match=r"events of 'shop'"):
            await ship.execute(GetParcel(order_id="a"), after=session.token, timeout=0.1)
        with pytest.raises(TimeoutError, match=r"did not settle .* depot\.shop cannot receive: TransientFailure"):
            await ship.settle(timeout=0.5)

        async def relay_says_why() -> bool:
            problems = await problems_of(store)
            return any(each.startswith("relay fails: TransientFailure: ") for each in problems)

        async def consumer_says_why() -> bool:
            problems = await problems_of(ship)
            return any(each.startswith("depot.shop cannot receive: TransientFailure: ") for each in problems)

        await until(relay_says_why)
        await until(consumer_says_why)

    async def test_an_outage_is_reported_with_its_reason(
        self, outage: Outage, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The health of a relay contains the reason why its broker does not confirm. The log contains it in single lines."""
        store, ship = selling(connect()), shipping(connect())
        async with started(ship, store):
            await outage.begin()
            await store.dispatch(Sell(order_id="a"))

            async def relay_says_why() -> bool:
                problems = await problems_of(store)
                return any(re.match(r"relay fails: .* did not confirm it .*[Cc]onn", each) for each in problems)

            await until(relay_says_why)
            await outage.end()
            await store.settle(timeout=CEILING)
            await ship.settle(timeout=CEILING)
            assert await ship.execute(GetParcel(order_id="a")) is not None
        assert tracebacks(caplog) == []

    async def test_a_process_that_only_answers_starts_immediately(self, outage: Outage, connect: Connect) -> None:
        """With a transport that it does not use, a relay that another process runs, or a feed that another one receives."""
        await outage.begin()
        idle = Application("idle", write=InMemory(), transport=connect())
        store, ship = selling(connect(), work=False), shipping(connect(), work=False)
        async with started(idle, store, ship):
            await store.dispatch(Sell(order_id="a"))
            for app in (idle, store, ship):

                async def it_says_so(app: Application = app) -> bool:
                    problems = await problems_of(app)
                    return any(each.startswith("the broker is unavailable: ") for each in problems)

                await until(it_says_so)
            await outage.end()
            for app in (idle, store, ship):

                async def it_is_reached(app: Application = app) -> bool:
                    problems = await problems_of(app)
                    return not any(each.startswith("the broker is unavailable: ") for each in problems)

                await until(it_is_reached)
