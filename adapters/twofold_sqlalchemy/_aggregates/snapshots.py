"""Snapshots of event-sourced aggregates, and how each type of aggregate is kept."""

from __future__ import annotations

from sqlalchemy import Executable, bindparam, insert, select

from twofold.ports import Snapshot

from .._connection.database import Database
from .._connection.open_transaction import Link
from .._schema.tables import Tables


class Snapshots:
    """The snapshots, one a stream, and the notes on how aggregates are kept.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._table = table = tables.snapshots
        columns = (table.c.version, table.c.fingerprint, database.dialect.sql.readable(table.c.data))
        self._one = database.prepare(select(*columns).where(table.c.stream == bindparam("of")))

        kept = tables.kept
        first = select(kept.c.way).where(kept.c.aggregate == bindparam("of")).order_by(kept.c.number).limit(1)
        self._kept = database.prepare(first)
        note = insert(kept).values(aggregate=bindparam("aggregate"), way=bindparam("way"))
        self._keep = database.prepare(note)

    async def kept(self, link: Link, aggregate: str) -> str | None:
        """Return how aggregates of a name are kept, or None."""
        rows = await link.fetch(self._kept, {"of": aggregate}, f"look how {aggregate} is kept")
        return rows[0][0] if rows else None

    async def keep(self, link: Link, aggregate: str, way: str) -> None:
        """Note how aggregates of a name are kept; what was noted before counts."""
        attempt = f"note how {aggregate} is kept"
        link.check_writable(attempt)
        await link.change(self._keep, {"aggregate": aggregate, "way": way}, attempt)

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
        return self._database.dialect.sql.upsert(self._table, self._table.c.stream, self._table.c.version)
