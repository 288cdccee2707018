"""Every suite runs over every adapter that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.stores import KINDS, NewStore, event_loop_of, stores
from twofold import View
from twofold.ports import WriteStore
from twofold.testing.conformance import Capabilities


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop that goes with the adapter."""
    return event_loop_of(kind)


@pytest.fixture
def capabilities(kind: str) -> Capabilities:
    """Say what the adapter cannot do."""
    return Capabilities(exact_decimals=kind != "sqlite", several_writers=kind == "postgresql")


@pytest.fixture
def new_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewStore:
    """Give a function that opens an empty store."""
    opened = stores(kind, request, tmp_path)

    @asynccontextmanager
    async def new(views: Sequence[type[View]]) -> AsyncIterator[WriteStore]:
        async with opened() as store:
            await store.create_schema(views)
            await store.open(views)
            yield store

    return new
