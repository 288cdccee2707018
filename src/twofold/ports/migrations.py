"""Migrations: the schema version of a store's own tables, and the upgrade to the version of this release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class Migrations(Protocol):
    """Read and upgrade the schema of the tables that belong to Twofold. Tables of views and aggregates are the user's."""

    @property
    def latest(self) -> int:
        """The schema version that this release needs."""
        ...

    async def current(self) -> int | None:
        """Return the schema version of the store; None if Twofold's tables are missing."""
        ...

    async def upgrade(self) -> Sequence[int]:
        """Bring the tables to the latest version, and keep all data. Create missing tables.

        Concurrent upgrades run one after another. An interrupted upgrade is continued by the next call. Applications of the
        earlier release should be stopped: they are refused only when they start.

        Returns:
            The versions that were reached, in order; empty if the tables were up to date.

        Raises:
            ConfigurationError: the tables have a newer version than this release.
        """
        ...

    async def sql(self, *, empty: bool = False) -> str:
        """Return the statements that `upgrade` would run now, for an administrator.

        Args:
            empty: return the statements for an empty database instead.

        Raises:
            ConfigurationError: the tables have a newer version than this release.
        """
        ...


@runtime_checkable
class MigratedStore(Protocol):
    """A store with tables that belong to Twofold and change from release to release."""

    @property
    def migrations(self) -> Migrations:
        """The schema version of the tables, and its upgrade."""
        ...
