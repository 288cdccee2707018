"""Snapshots of event-sourced aggregates."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.sql.base import Executable

from twofold.ports import Snapshot

from ._database import Database
from ._link import Link
from ._tables import Tables


class Snapshots:
    """The snapshots, one a stream.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._table = table = tables.snapshots
        columns = (table.c.version, table.c.fingerprint, database.dialect.readable(table.c.data))
        self._one = database.prepare(select(*columns).where(table.c.stream == bindparam("of")))

    async def get(self, link: Link, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        rows = await link.fetch(self._one, {"of": stream}, f"read the snapshot of {stream}")
        return Snapshot(*rows[0]) if rows else None

    async def put(self, link: Link, stream: str, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless the one that is there has a higher version."""
        attempt = f"keep a snapshot of {stream}"
        link.check_writable(attempt)
        # Not made before there was a connection: MySQL and MariaDB write it differently.
        prepared = self._database.prepared("put a snapshot", self._put)
        await link.change(prepared, {"stream": stream, **snapshot._asdict()}, attempt)

    def _put(self) -> Executable:
        return self._database.dialect.upsert(self._table, self._table.c.stream, self._table.c.version)
