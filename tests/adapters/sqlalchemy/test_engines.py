"""The arguments of a store: an asyncio engine of a supported database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Application
from twofold.errors import ConfigurationError, StorageError
from twofold_sqlalchemy import SqlAlchemy


@pytest.mark.parametrize("given", ["sqlite+aiosqlite:///orders.db", create_engine("sqlite://"), None])
def test_an_argument_that_is_not_an_engine(given: Any) -> None:
    """A URL and an engine without asyncio are refused immediately, with the correct code in the error."""
    with pytest.raises(ConfigurationError, match=r"must be an AsyncEngine, such as create_async_engine\("):
        SqlAlchemy(given)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """SQLite does not say which file it cannot open; the error does."""
    file = tmp_path / "missing" / "orders.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    app = Application("away", write=SqlAlchemy(engine))
    for attempt in (app.create_schema, app.__aenter__):
        with pytest.raises(StorageError, match=f"The file is '{re.escape(str(file))}': create its folder"):
            await attempt()
    await engine.dispose()
