from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold.ports import NewEvent
from twofold_sqlalchemy import SqlAlchemy


@pytest.fixture
def anyio_backend() -> str:
    """The adapter runs on asyncio only."""
    return "asyncio"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file of a database that does not exist yet."""
    return tmp_path / "test.db"


@pytest.fixture
async def engine(database: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> SqlAlchemy:
    """A store with Twofold's own tables."""
    store = SqlAlchemy(engine)
    await store.create_schema([])
    return store


@pytest.fixture
def new_event() -> Callable[[], NewEvent]:
    """Make an event that was not stored before."""
    return lambda: NewEvent(uuid4(), "test.happened", 1, '{"a": 1}', "{}", datetime.now(UTC))
