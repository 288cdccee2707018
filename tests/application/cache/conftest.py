"""Cached answers are tested over every cache."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.caches import CACHES, open_cache
from tests.servers.choice import runnable
from tests.stores import event_loop_of
from twofold.ports import CacheStore


@pytest.fixture(params=runnable(CACHES, "Cached queries in an application"))
def kind(request: pytest.FixtureRequest) -> str:
    """Name the cache of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop of the cache."""
    return event_loop_of(kind)


@pytest.fixture
async def store(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[CacheStore]:
    """Give an empty cache."""
    async with open_cache(kind, request) as cache:
        yield cache
