"""The migrations of one store."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.errors import MissingDependency

from .._connection.database import Database
from .._schema.tables import SCHEMA

try:
    from .revisions import run_on, sql, version_of
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[migrations]'") from _error


class SqlMigrations:
    """The `Migrations` of a store: read, upgrade and print the schema of Twofold's own tables.

    Args:
        database: the database.
    """

    latest = SCHEMA

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self) -> int | None:
        """Return the schema version of the database; None if Twofold's tables are missing."""
        return await self._database.use(lambda connection: connection.run_sync(version_of), "read the schema version")

    async def upgrade(self) -> Sequence[int]:
        """Bring the tables to the latest version, in one transaction where the database allows it."""
        async with self._database.writing(limited=False) as transaction:
            await transaction.use(self._database.dialect.catalog.lock, "upgrade the schema")
            return await transaction.use(lambda connection: connection.run_sync(run_on), "upgrade the schema")

    async def sql(self, *, empty: bool = False) -> str:
        """Return the statements that `upgrade` would run now."""
        found = await self.current()
        return sql(self._database.engine.dialect, None if empty else found)
