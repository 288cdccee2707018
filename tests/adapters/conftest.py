"""Every suite runs over every adapter that is there: in memory, and on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from twofold import View
from twofold.ports import WriteStore
from twofold.testing.conformance import Capabilities
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy

NewStore = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store that is ready for some views."""

ADAPTERS = [
    pytest.param(("memory", "asyncio"), id="memory-asyncio"),
    pytest.param(("memory", "trio"), id="memory-trio"),
    pytest.param(("sqlite", "asyncio"), id="sqlite"),
]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name the adapter and the event loop of a test."""
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture
def anyio_backend(adapter: tuple[str, str]) -> str:
    """Run the test on the event loop that goes with the adapter."""
    return adapter[1]


@pytest.fixture
def capabilities(adapter: tuple[str, str]) -> Capabilities:
    """Say what the adapter cannot do."""
    return Capabilities(exact_decimals=adapter[0] != "sqlite")


@pytest.fixture
def new_store(adapter: tuple[str, str], tmp_path: Path) -> NewStore:
    """Give a function that opens an empty store."""
    opened = iter(range(1000))

    @asynccontextmanager
    async def new(views: Sequence[type[View]]) -> AsyncIterator[WriteStore]:
        if adapter[0] == "memory":
            yield InMemory()
            return
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / f'{next(opened)}.db'}")
        try:
            store = SqlAlchemy(engine)
            await store.create_schema(views)
            await store.open(views)
            yield store
        finally:
            await engine.dispose()

    return new
