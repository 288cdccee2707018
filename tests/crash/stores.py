"""The store of the crash lab's processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import create_async_engine

from twofold_sqlalchemy import SqlAlchemy


@asynccontextmanager
async def opened(url: str, *, idle: int | None = None) -> AsyncIterator[SqlAlchemy]:
    """Open a database for the length of a block.

    Args:
        url: where it is.
        idle: whole seconds after which the server throws out a session that does nothing in a transaction.
    """
    options: dict[str, Any] = {}
    if idle is not None and url.startswith("postgresql"):
        options["server_settings"] = {"idle_in_transaction_session_timeout": f"{idle}s"}
    elif idle is not None and url.startswith("mysql"):
        options["init_command"] = f"SET SESSION idle_transaction_timeout = {idle}"
    engine = create_async_engine(url, connect_args=options)
    try:
        yield SqlAlchemy(engine)
    finally:
        await engine.dispose()
