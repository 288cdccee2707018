"""Two applications with separate stores, and a broker between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.servers.choice import runnable
from tests.stores import STORES, event_loop_of, stores
from twofold.ports import Transport, WriteStore
from twofold_memory import InMemoryTransport

NewStore = Callable[[], AbstractAsyncContextManager[WriteStore]]


@pytest.fixture(params=runnable(STORES, "Applications that exchange events, commands and queries"))
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test's stores."""
    return str(request.param)


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
