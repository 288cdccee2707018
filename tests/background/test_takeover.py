"""How soon a worker takes over from a process that was paused or died, as conditions on its delays."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest

import twofold._subscriptions.worker
from twofold import Application
from twofold._background.signal import Signal
from twofold.errors import TransientFailure
from twofold.ports import Lease
from twofold.testing.conformance._domain.work import LONG, Sum, Work, working
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the delays that workers ask for, and shorten them."""
    found: list[float] = []

    class Hurried(Signal):
        async def wait(self, seen: int, seconds: float = inf) -> None:
            found.append(seconds)
            await super().wait(seen, min(seconds, 0.001))

    monkeypatch.setattr(twofold._subscriptions.worker, "Signal", Hurried)
    return found


async def _paused(store: InMemory) -> Sequence[Lease]:
    """Return the lease of a process that renews it no longer. The lease has not expired."""
    async with _worker(store):
        await until(lambda: _owned(store), "a worker was to create the partition")
    return await store.subscriptions.claim("work", "paused", seconds=LONG, limit=1)


async def _owned(store: InMemory) -> bool:
    return any(each.owner for each in await store.subscriptions.partitions("work"))


def _worker(store: Any) -> Application:
    app = Application("work", write=store, lease=LONG)
    app.include(working())
    return app


async def test_a_lease_that_expired_is_claimed_within_a_third_of_its_duration(delays: list[float]) -> None:
    """Workers on standby try to claim three times during a lease, and the first try after its end succeeds."""
    store = InMemory()
    await store.create_schema([Work, Sum])
    lease = await _paused(store)
    delays.clear()
    missed, claimed = list[bool](), list[Lease]()

    async def count(claim: Call) -> Any:
        (partition,) = await store.subscriptions.partitions("work")
        found = await claim()
        missed.append(partition.owner is None and not found)
        claimed.extend(found)
        return found

    async with _worker(Hooked(store, "subscriptions.claim", count)):
        await until(lambda: len(missed) >= 3, "the worker was to try three times")
        assert max(delays) <= LONG / 3
        await store.subscriptions.renew(lease, seconds=0.0)
        await until(lambda: bool(claimed), "the worker was to claim the partition")
    assert not any(missed)


async def test_a_store_that_fails_is_asked_three_times_during_a_lease(delays: list[float]) -> None:
    """The delays of a worker whose store fails do not grow beyond a third of the lease."""
    store = InMemory()
    await store.create_schema([Work, Sum])
    await _paused(store)
    delays.clear()

    async def fail(claim: Call) -> Any:
        raise TransientFailure("on purpose")

    async with _worker(Hooked(store, "subscriptions.claim", fail)):
        await until(lambda: len(delays) >= 20, "the worker was to try twenty times")
    assert LONG / 10 < max(delays) <= LONG / 3
