"""The event log on MariaDB and MySQL: a counter of positions, whose row is locked from an append until the commit.

Transactions that append run one after another, from the first append until the commit. Therefore positions have no gaps
and are committed in their order, and a reader that sees a position sees every position before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import SchemaMissing, StorageError
from twofold.ports import START, Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .._connection.statements import Statement
from .._dialects.mysql.driver import run
from .._dialects.mysql.errors import PRIMARY
from .._schema.tables import Tables
from .columns import EventColumns, exact
from .strategy import LogStrategy, NoNotifier

_TAKE: Final = "UPDATE twofold_meta SET head = LAST_INSERT_ID(head + %s) WHERE number = 1"
"""The server returns the argument of LAST_INSERT_ID with the answer."""

_VERSION: Final = Statement(
    "SELECT COALESCE(MAX(version), 0) FROM twofold_events WHERE stream = %s LOCK IN SHARE MODE", ("stream",)
)
"""A locking read returns what is committed now, even if the transaction has an older snapshot."""


def strategy(database: Database, tables: Tables) -> LogStrategy:
    """Return the strategy for a database."""
    return LogStrategy(CountedInsert(database, tables), partial(CommittedHead, database, tables), NoNotifier())


class CommittedHead:
    """A `Frontier`: the committed counter.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._head = database.prepare(select(tables.meta.c.head))

    async def head(self) -> Position:
        """Return the last position."""
        found = await self._database.fetch(self._head, {}, "read the head of the log")
        return Position(found[0][0] if found else START)

    async def holding_back(self) -> Sequence[str]:
        """Return none: positions are committed in their order."""
        return ()


class CountedInsert:
    """An `Appender`: it takes positions, which blocks other appends, then reads the stream's version and inserts.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._columns = EventColumns(database.dialect)
        new: dict[str, Any] = {name: bindparam(name) for name in ("position", *EventColumns.WRITTEN)}
        self._insert = database.prepare(insert(tables.events).values(new))

    async def append(
        self, transaction: OpenTransaction, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Sequence[StoredEvent] | int:
        """Append; see `Appender.append`."""
        action = f"append to {stream}"
        position = await self._take(transaction, len(events), action)
        version = int((await transaction.fetch(_VERSION, (stream,), action))[0][0])
        if not _fits(version, expected):
            return version
        stored, rows = [], []
        for event in events:
            position, version = position + 1, version + 1
            stored.append(StoredEvent(*event, stream, version, Position(position)))
            rows.append((position, *self._columns.values(stream, version, event)))
        try:
            await transaction.change_many(self._insert, rows, action)
        except UniqueViolation as violation:
            if violation.columns != PRIMARY:
                raise
            raise StorageError(
                f"cannot {action}: twofold_events already has the next positions of the counter twofold_meta.head, perhaps "
                "because only one of the two tables was restored. Set head to the last position of twofold_events."
            ) from violation.__cause__
        return stored

    async def _take(self, transaction: OpenTransaction, number: int, action: str) -> int:
        """Take a number of positions, which blocks other appends. Return the position before the first of them."""

        async def take(connection: AsyncConnection) -> int:
            cursor = await run(connection, _TAKE, (number,))
            if cursor.rowcount != 1:
                raise SchemaMissing(
                    f"cannot {action}: twofold_meta, which counts positions, is empty. Call create_schema() to insert "
                    "its row."
                )
            return int(cursor.lastrowid) - number

        return await transaction.use(take, action)


def _fits(version: int, expected: ExpectedVersion) -> bool:
    return expected is Expected.ANY or version == exact(expected)
