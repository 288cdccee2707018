"""Applications are tested over every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.choice import runnable
from tests.stores import STORES, event_loop_of, stores
from twofold.ports import WriteStore


@pytest.fixture(params=runnable(STORES, "Applications: retries, timeouts, time limits and shutdown"))
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop of the adapter."""
    return event_loop_of(kind)


@pytest.fixture
async def store(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[WriteStore]:
    """Give an empty store."""
    async with stores(kind, request)() as store:
        yield store
