"""The lag of subscriptions: exact when it is small, and at a cost that does not grow with the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.mutants.combinators import changing_result
from tests.mutants.places import at
from twofold import Application
from twofold.ports import Position
from twofold.testing.conformance._domain.audit import deposits, running
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold_memory import InMemory


async def lag(app: Application) -> int:
    """Return the lag of the only subscription, which does not run."""
    (status,) = await app.operations.status()
    return status.lag


def returned(value: Position) -> Callable[[object], Position]:
    """Return a function that returns a value."""
    return lambda _: value


def empty_positions(store: InMemory, number: int) -> None:
    """Let positions pass that stay empty."""
    for _ in range(number):
        store.log._tables.new_position()


async def test_a_lag_of_few_positions_is_counted() -> None:
    """Positions without an event do not count."""
    store = InMemory()
    async with running(store, work=False) as app:
        await deposits(app, "a")
        empty_positions(store, 9_000)
        await deposits(app, "b")
        assert await lag(app) == 4


async def test_a_lag_of_many_positions_is_their_distance() -> None:
    """The log is not asked to count, so that the cost of a probe does not grow with the log."""
    store = InMemory()
    asked: list[str] = []

    async def note(call: Call) -> Any:
        asked.append("count")
        return await call()

    hooked: Any = Hooked(store, "log.count", note)
    async with running(hooked, work=False) as app:
        await deposits(app, "a")
        empty_positions(store, 10_000)
        await deposits(app, "b")
        assert await lag(app) == await store.log.head() == 10_004
        assert (await app.health()).subscriptions[0].lag == 10_004
    assert asked == []


async def test_the_limit_is_10_000_positions() -> None:
    """A distance of 10,000 is counted, and a distance of 10,001 is not."""
    for head, wanted in ((10_000, 2), (10_001, 10_001)):
        longer = at("log", changing_result("head", to=returned(Position(head))))
        async with running(longer(InMemory()), work=False) as app:
            await deposits(app, "a")
            assert await lag(app) == wanted
