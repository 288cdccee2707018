"""Applications are tested over both adapters, in memory on asyncio and trio as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from twofold.ports import WriteStore
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy


@pytest.fixture(params=["memory-asyncio", "memory-trio", "sqlite-asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter and the event loop of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop that goes with the adapter."""
    return kind.split("-")[1]


@pytest.fixture
async def store(kind: str, tmp_path: Path) -> AsyncIterator[WriteStore]:
    """Give an empty store."""
    if kind.startswith("memory"):
        yield InMemory()
        return
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    yield SqlAlchemy(engine)
    await engine.dispose()
