"""asyncpg's connection below SQLAlchemy's."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection


def driver_of(connection: AsyncConnection) -> Any:
    """Return asyncpg's own connection."""
    sync: Any = connection.sync_connection
    return sync.connection.driver_connection
