"""Applications are tested over every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.selection import one_database
from tests.servers.choice import runnable
from tests.stores import STORES, event_loop_of, stores
from twofold.ports import WriteStore


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test in memory on trio, and on one of the databases on asyncio: the tests are about the core."""
    if "store_kind" in metafunc.fixturenames:
        found = runnable(STORES, "Applications: retries, timeouts, time limits and shutdown")
        everywhere = metafunc.config.getoption("everywhere")
        metafunc.parametrize("store_kind", found if everywhere else one_database(found, metafunc.definition.nodeid))


@pytest.fixture
def kind(store_kind: str) -> str:
    """Name the adapter of a test."""
    return store_kind


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop of the adapter."""
    return event_loop_of(kind)


@pytest.fixture
async def store(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[WriteStore]:
    """Give an empty store."""
    async with stores(kind, request)() as store:
        yield store
