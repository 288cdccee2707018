"""asyncpg's connection below SQLAlchemy's."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection


def driver_of(connection: AsyncConnection) -> Any:
    """Return asyncpg's own connection."""
    return cast(Connection, connection.sync_connection).connection.driver_connection
