"""Snapshots of event-sourced aggregates."""

from __future__ import annotations

from sqlalchemy import Executable, bindparam, select

from twofold.ports import Snapshot

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import Statement
from .._schema.tables import Tables


class SnapshotStatements:
    """The statements on snapshots.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        self._compiler = compiler
        self._table = table = tables.snapshots
        columns = (table.c.version, table.c.snapshot_version, compiler.sql.readable(table.c.data))
        self.get = compiler.prepare(select(*columns).where(table.c.stream == bindparam("of")))

    def put(self) -> Statement:
        """Return the upsert. It is compiled after the first connection: MySQL and MariaDB have different SQL."""
        return self._compiler.prepared("put a snapshot", self._upsert)

    def _upsert(self) -> Executable:
        return self._compiler.sql.upsert(self._table, self._table.c.stream, self._table.c.version)


class SqlSnapshots:
    """The `Snapshots` of a transaction."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: SnapshotStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def get(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        rows = await self._transaction.fetch(self._statements.get, {"of": stream}, f"read the snapshot of {stream}")
        return Snapshot(*rows[0]) if rows else None

    async def put(self, stream: str, snapshot: Snapshot) -> None:
        """Store a snapshot, unless the stored one has a higher version."""
        action = f"store a snapshot of {stream}"
        self._transaction.check_writable(action)
        await self._transaction.change(self._statements.put(), {"stream": stream, **snapshot._asdict()}, action)
