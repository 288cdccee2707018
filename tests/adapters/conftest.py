"""Every suite runs over every adapter that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests import backups
from tests.brokers import open_broker, open_requests
from tests.caches import open_cache
from tests.notifier import open_notifier
from tests.selection import represented
from tests.servers.choice import runnable
from tests.stores import ALIKE, event_loop_of, read_stores
from twofold import View
from twofold.ports import ReadStore
from twofold.testing.conformance import (
    Capabilities,
    NewBroker,
    NewCache,
    NewNotifier,
    NewReadStore,
    NewRequests,
    NewWriteStore,
    TakeBackup,
)
from twofold_memory import InMemory


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a suite over the adapters that its class names; mutants only over the first, unless all are asked for."""
    kinds: Sequence[str] | None = getattr(metafunc.cls, "kinds", None)
    if kinds and "kind" in metafunc.fixturenames:
        found = runnable(kinds, metafunc.cls.__doc__ or metafunc.cls.__name__)
        if not metafunc.config.getoption("everywhere"):
            usual = [kind for kind in found if kind not in ALIKE]
            found = represented(found, usual[:1] if hasattr(metafunc.cls, "mutants") else usual)
        metafunc.parametrize("kind", found, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop of the adapter."""
    return event_loop_of(kind)


@pytest.fixture
def capabilities(kind: str) -> Capabilities:
    """Return the limits of the adapter."""
    return Capabilities(
        several_writers=kind == "postgresql",
        savepoints=kind != "redis",
        inline=">" not in kind,
        one_state=not kind.endswith("redis"),
        begins_at_the_beginning=kind != "rabbitmq",
    )


@pytest.fixture
def new_store(kind: str, request: pytest.FixtureRequest) -> NewReadStore:
    """Give a function that opens an empty store; all but Redis are write stores too."""
    opened = read_stores(kind, request)

    @asynccontextmanager
    async def new(views: Sequence[type[View]]) -> AsyncIterator[ReadStore]:
        async with opened() as store:
            await store.create_schema(views)
            await store.open(views)
            yield store

    return new


@pytest.fixture
def take_backup() -> TakeBackup:
    """Return a function that takes a backup of the log of a store."""
    return backups.take_backup


@pytest.fixture
def new_broker(kind: str, request: pytest.FixtureRequest) -> NewBroker:
    """Give a function that opens a broker on which there is nothing."""
    return lambda: open_broker(kind, request)


@pytest.fixture
def new_requests(kind: str, request: pytest.FixtureRequest) -> NewRequests:
    """Return a function that opens a broker without servers."""
    return lambda: open_requests(kind, request)


@pytest.fixture
def new_write_store() -> NewWriteStore:
    """Return a function that creates a store for an application of a suite that is about brokers."""
    return InMemory


@pytest.fixture
def new_cache(kind: str, request: pytest.FixtureRequest) -> NewCache:
    """Give a function that opens a cache in which there is nothing."""
    return lambda: open_cache(kind, request)


@pytest.fixture
def new_notifier(kind: str, request: pytest.FixtureRequest) -> NewNotifier:
    """Return a function that opens isolated notifications."""
    return lambda: open_notifier(kind, request)
