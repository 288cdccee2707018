"""Two applications with separate stores, and a broker between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.selection import one_database
from tests.servers.choice import runnable
from tests.stores import STORES, event_loop_of, stores
from twofold.ports import Transport, WriteStore
from twofold_memory import InMemoryTransport

NewStore = Callable[[], AbstractAsyncContextManager[WriteStore]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test in memory on trio, and on one of the databases on asyncio: the tests are about the core."""
    if "store_kind" in metafunc.fixturenames:
        found = runnable(STORES, "Applications that exchange events, commands and queries")
        everywhere = metafunc.config.getoption("everywhere")
        metafunc.parametrize("store_kind", found if everywhere else one_database(found, metafunc.definition.nodeid))


@pytest.fixture
def kind(store_kind: str) -> str:
    """Name the adapter of a test's stores."""
    return store_kind


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop of the adapter."""
    return event_loop_of(kind)


@pytest.fixture
def new_store(kind: str, request: pytest.FixtureRequest) -> NewStore:
    """Return a function that opens one more empty store."""
    return stores(kind, request)


@pytest.fixture
async def here(new_store: NewStore) -> AsyncIterator[WriteStore]:
    """Give the store of the shop."""
    async with new_store() as store:
        yield store


@pytest.fixture
async def there(new_store: NewStore) -> AsyncIterator[WriteStore]:
    """Give the store of the depot."""
    async with new_store() as store:
        yield store


@pytest.fixture
def broker() -> Transport:
    """Give a broker."""
    return InMemoryTransport()
