"""The event log on MariaDB and MySQL: a counter of positions, whose row is locked from an append until the commit.

Transactions that append run one after another, from the first append until the commit. Therefore positions have no gaps
and are committed in their order, and a reader that sees a position sees every position before it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Executable, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import SchemaMissing, StorageError
from twofold.ports import AppendCondition, Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .._connection.statements import written
from .._dialects.mysql.driver import run
from .._dialects.mysql.errors import PRIMARY
from .._schema.tables import Tables
from .columns import EventColumns, exact
from .strategy import GENERATION, CommitOrder, LogStrategy, NoNotifier
from .tags import TaggedEvents

_TAKE: Final = "UPDATE twofold_meta SET head = LAST_INSERT_ID(head + %s) WHERE number = 1"
"""The server returns the argument of LAST_INSERT_ID with the answer."""

_FENCE: Final = " AND inline_generation = %s"

_LOCK: Final = written("SELECT head FROM twofold_meta WHERE number = 1 FOR UPDATE", ())

_VERSION: Final = written(
    "SELECT COALESCE(MAX(version), 0) FROM twofold_events WHERE stream = %s LOCK IN SHARE MODE", ("stream",)
)
"""A locking read returns the latest committed data, even if the transaction has an older snapshot."""


def strategy(database: Database, tables: Tables, tagged: TaggedEvents) -> LogStrategy:
    """Return the strategy for a database."""

    def last() -> Executable:
        at_head = select(tables.events.c.id).where(tables.events.c.position == tables.meta.c.head).scalar_subquery()
        return select(tables.meta.c.head, at_head)

    return LogStrategy(CountedInsert(database, tables, tagged), partial(CommitOrder, database, last), NoNotifier())


class CountedInsert:
    """An `Appender`: it takes positions, which blocks other appends, then reads the stream's version and inserts.

    Args:
        database: the database.
        tables: Twofold's tables in it.
        tagged: stores the tags of events.
    """

    def __init__(self, database: Database, tables: Tables, tagged: TaggedEvents) -> None:
        self._tagged = tagged
        self._columns = EventColumns(database.dialect.columns, database.dialect.sql)
        new: dict[str, Any] = {name: bindparam(name) for name in ("position", *EventColumns.WRITTEN)}
        self._insert = database.compiler.prepared("insert", lambda: insert(tables.events).values(new))

    async def append(
        self,
        transaction: OpenTransaction,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        inline: int | None,
    ) -> Sequence[StoredEvent] | int | None:
        """Append; see `Appender.append`."""
        action = f"append to {stream}"
        position = await self._take(transaction, len(events), inline, action)
        if position is None:
            return None
        version = int((await transaction.fetch(_VERSION, (stream,), action))[0][0])
        if not _fits(version, expected):
            return version
        stored, rows = [], []
        for event in events:
            position, version = position + 1, version + 1
            stored.append(StoredEvent(*event[:6], stream, version, Position(position)))
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
        await self._tagged.add(transaction, stored, events)
        return stored

    async def guard(
        self, transaction: OpenTransaction, conditions: Sequence[AppendCondition], tags: Collection[str]
    ) -> None:
        """Lock the counter, which every append takes first, and look for later events."""
        if conditions:
            await self.lock(transaction)
            await self._tagged.check_order(transaction, conditions)

    async def lock(self, transaction: OpenTransaction) -> None:
        """Lock the counter."""
        await transaction.fetch(_LOCK, (), "lock the event log")

    async def _take(self, transaction: OpenTransaction, number: int, inline: int | None, action: str) -> int | None:
        """Take a number of positions, which blocks other appends. Return the position before the first of them.

        Return None if the inline projections have another generation.
        """

        async def take(connection: AsyncConnection) -> int | None:
            fence = () if inline is None else (inline,)
            cursor = await run(connection, _TAKE + _FENCE * len(fence), (number, *fence))
            if cursor.rowcount != 1:
                if fence and await (await run(connection, GENERATION.text)).fetchall():
                    return None
                raise SchemaMissing(
                    f"cannot {action}: twofold_meta, which counts positions, is empty. Run `twofold schema "
                    "create` or `await app.create_schema()` to insert its row."
                )
            return int(cursor.lastrowid) - number

        return await transaction.use(take, action)


def _fits(version: int, expected: ExpectedVersion) -> bool:
    return expected is Expected.ANY or version == exact(expected)
