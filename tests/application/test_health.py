"""A health probe answers although the stores fail."""

from __future__ import annotations

import pytest

from twofold import Application, Event, on
from twofold.errors import StorageError, TransientFailure, TwofoldError
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemory


class Sold(Event, name="health.sold"):
    id: str


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory: adapters translate the errors of their drivers to these."""
    return "asyncio"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (StorageError("the database was renamed"), "a store fails: the database was renamed"),
        (TransientFailure("the connection is lost"), "a store does not answer: the connection is lost"),
    ],
)
@pytest.mark.parametrize(
    "method", ["log.head", "log.blocking_transactions", "schedule.stuck", "subscriptions.partitions"]
)
async def test_a_probe_reports_a_failing_store(method: str, error: TwofoldError, problem: str) -> None:
    """Whichever read of a probe fails, transient or not, the probe returns the failure as a problem."""
    fails = False

    async def failing(call: Call) -> object:
        if fails:
            raise error
        return await call()

    app = Application("health", write=Hooked(InMemory(), method, failing), work=False)

    @app.projection("sales")
    class Sales:
        @on(Sold)
        async def sold(self, event: Sold) -> None: ...

    async with app:
        assert await problems_of(app) == ["no worker runs sales"]
        fails = True
        assert await problems_of(app) == [problem]
        assert not (await app.health()).ready
        fails = False
