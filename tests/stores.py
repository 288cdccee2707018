"""The stores that tests run over: in memory on both event loops, and on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from twofold import View
from twofold.ports import WriteStore
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy

NewStore = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store that is ready for some views."""

KINDS = ("memory-asyncio", "memory-trio", "sqlite", "postgresql", "mariadb")


def event_loop_of(kind: str) -> str:
    """Return the event loop that goes with a kind of store."""
    return "trio" if kind == "memory-trio" else "asyncio"


def stores(
    kind: str, request: pytest.FixtureRequest, folder: Path
) -> Callable[[], AbstractAsyncContextManager[WriteStore]]:
    """Return what opens stores of a kind, a new and empty one each time; their tables are not made yet."""
    if kind.startswith("memory"):
        return _in_memory
    if kind == "sqlite":
        numbers = count()
        return lambda: _sql(f"sqlite+aiosqlite:///{folder / f'{next(numbers)}.db'}")
    server = "mysql" if kind == "mariadb" else kind
    new_url: Callable[[], str] = request.getfixturevalue(f"new_{server}_url")
    return lambda: _sql(new_url())


@asynccontextmanager
async def _in_memory() -> AsyncIterator[WriteStore]:
    yield InMemory()


@asynccontextmanager
async def _sql(url: str) -> AsyncIterator[WriteStore]:
    engine = create_async_engine(url)
    try:
        yield SqlAlchemy(engine)
    finally:
        await engine.dispose()
