"""The log on MariaDB and MySQL: a counter whose row is locked from an append until its transaction ends.

So appends take turns, from their first statement on until the commit: positions have no gaps, and they are committed in
their order. A reader who sees a position sees every one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import SchemaMissing, StorageError
from twofold.ports import START, Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.open_transaction import Refused
from .._connection.statements import Statement
from .._dialects.mysql_driver import run
from .._dialects.mysql_errors import PRIMARY
from .columns import EventColumns, exact

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._connection.open_transaction import Link
    from .._schema.tables import Tables

_TAKE: Final = "UPDATE twofold_meta SET head = LAST_INSERT_ID(head + %s) WHERE number = 1"
"""What was given to LAST_INSERT_ID comes back with the answer."""

_VERSION: Final = Statement(
    "SELECT COALESCE(MAX(version), 0) FROM twofold_events WHERE stream = %s LOCK IN SHARE MODE", ("stream",)
)
"""A locking read sees what is committed now, also where the transaction looked before."""


class CommittedHead:
    """A `Frontier`: the counter as it was committed last.

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
        """Return none: whoever appends is in turn, and nobody is behind."""
        return ()


class CountedInsert:
    """An `Appender`: it takes positions, which holds the others back; then it looks at the stream and writes to it.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._columns = EventColumns(database.dialect)
        new: dict[str, Any] = {name: bindparam(name) for name in ("position", *EventColumns.WRITTEN)}
        self._insert = database.prepare(insert(tables.events).values(new))

    async def append(
        self, link: Link, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Sequence[StoredEvent] | int:
        """Append; see `Appender.append`."""
        attempt = f"append to {stream}"
        position = await self._take(link, len(events), attempt)
        version = int((await link.fetch(_VERSION, (stream,), attempt))[0][0])
        if not _fits(version, expected):
            return version
        stored, rows = [], []
        for event in events:
            position, version = position + 1, version + 1
            stored.append(StoredEvent(*event, stream, version, Position(position)))
            rows.append((position, *self._columns.values(stream, version, event)))
        try:
            await link.change_many(self._insert, rows, attempt)
        except Refused as refused:
            if refused.columns != PRIMARY:
                raise
            raise StorageError(
                f"cannot {attempt}: the log has the positions already that twofold_meta.head counted. Was one of the two "
                "restored without the other? Set head to the last position of twofold_events."
            ) from refused.__cause__
        return stored

    async def _take(self, link: Link, number: int, attempt: str) -> int:
        """Return the position behind which so many are ours, and hold the others back."""

        async def take(connection: AsyncConnection) -> int:
            cursor = await run(connection, _TAKE, (number,))
            if cursor.rowcount != 1:
                raise SchemaMissing(
                    f"cannot {attempt}: twofold_meta has no row, which counts positions. Call create_schema(), which writes "
                    "it."
                )
            return int(cursor.lastrowid) - number

        return await link.use(take, attempt)


def _fits(version: int, expected: ExpectedVersion) -> bool:
    return expected is Expected.ANY or version == exact(expected)
