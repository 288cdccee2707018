"""Retries beside the stream of events: in their time, at no cost while there are none; the rest is in the suites."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import Retry
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.audit import audited, auditing, deposits, running, settled
from twofold.testing.conformance._tools.hooked import Call, Hooked

NEVER = 3600.0


def test_delays_double_up_to_the_longest() -> None:
    """Each wait is twice the one before, at most the longest; after the last try there is none."""
    retry = Retry(attempts=6, delay=0.5, longest=3.0)
    assert [retry.delay_after(attempts) for attempts in range(1, 8)] == [0.5, 1.0, 2.0, 3.0, 3.0, None, None]
    assert Retry(attempts=1).delay_after(1) is None
    assert Retry(attempts=100_000, longest=7.0).delay_after(99_999) == 7.0


async def test_a_retry_waits_for_no_poll(store: WriteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pending retry runs at its time, even if no notification arrives and the next poll is much later."""
    for constant in ("FIRST_POLL", "LAST_POLL"):
        monkeypatch.setattr(f"twofold._subscriptions.partition_runner.{constant}", NEVER)
    failures = ["once", "twice"]

    async def fail() -> None:
        if failures:
            raise LookupError(failures.pop())

    retry = Retry(attempts=3, delay=0.01)
    async with running(store, auditing(during=fail, retry=retry)) as app:
        await deposits(app, "a")
        await settled(app)
        assert failures == []
        assert await audited(app, "a") == {"a": ("opened", "1")}


@pytest.mark.parametrize("method", ["parked.retries", "parked.keys", "parked.read"])
async def test_the_store_is_not_polled_without_pending_retries(store: WriteStore, method: str) -> None:
    """A subscription without pending retries and parked events does not query its store for them."""
    asked: list[str] = []

    async def note(call: Call) -> Any:
        asked.append(method)
        return await call()

    hooked: Any = Hooked(store, method, note)
    async with running(hooked, auditing()) as app:
        await deposits(app, "a", "b")
        await settled(app)
        await app.operations.status()
        await app.health()
    assert asked == []
