"""The log on PostgreSQL: appends run at the same time, and a reader still sees every event, in order.

Positions come from an identity column. A transaction takes its positions before it commits, so a reader may see position 8
while 7 is still to come, or was rolled back and never comes. It has to know which, without time-outs and without guesses.

Every transaction that inserts into the log holds a shared advisory lock, taken by a trigger before its first position, until
it has ended. When a reader meets a gap, it notes the position of the last event that it sees, and then which transactions
hold that lock. Whoever was given a position up to there either is among them or has ended. Once all of them have ended,
what is still missing up to there was rolled back. Nobody but appenders can hold a reader back, and the append is the last
step of their transaction.

Nothing is ever taken for certain behind the last event that is there: a server that crashes gives positions out again that
it had given to transactions which did not commit, as far as they lie behind the last one that did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError
from twofold.ports import START, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.statements import Statement
from .columns import exact
from .postgresql_notify import HOLDERS, described

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._connection.open_transaction import Link

LOCK: Final = 20_030_114
"""The first key of Twofold's advisory locks; the second is the log's table, so that each schema has a log of its own."""

_INSERT = """
WITH now AS (SELECT coalesce(max(version), 0) AS version FROM twofold_events WHERE stream = $1)
INSERT INTO twofold_events (stream, version, name, schema_version, time, id, metadata, data)
SELECT $1, now.version + new.number, new.name, new.schema_version, new.time, new.id, new.metadata::json, new.data::json
FROM now, unnest($2::text[], $3::int[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[])
    WITH ORDINALITY AS new(name, schema_version, time, id, metadata, data, number)
{condition}
ORDER BY new.number
ON CONFLICT (stream, version) DO NOTHING
RETURNING position, version
"""

_RUN = """
SELECT pg_postmaster_start_time(), 'twofold_events'::regclass::oid, pg_is_in_recovery(),
    first.position, run.position, run.next
FROM (VALUES (1)) AS always
LEFT JOIN LATERAL (SELECT position FROM twofold_events WHERE position > $1 ORDER BY position LIMIT 1) AS first ON true
LEFT JOIN LATERAL (
    SELECT position, next FROM (
        SELECT position, lead(position) OVER (ORDER BY position) AS next FROM twofold_events WHERE position > $1
    ) AS pairs
    WHERE first.position = $1 + 1 AND next IS DISTINCT FROM position + 1 ORDER BY position LIMIT 1
) AS run ON true
"""
"""Which log this is. Where the positions behind a given one begin, how far they go without a gap if they begin at once,
and where they go on behind it."""

_LAST = "SELECT coalesce(max(position), 0) FROM twofold_events"

_APPENDING = """
SELECT virtualtransaction, pid IS NULL FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = 'twofold_events'::regclass AND objsubid = 2
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class ArrayInsert:
    """An `Appender`: one insert for any number of events, which also checks the expectation.

    Two writers of one stream meet at the unique constraint: the second waits for the first to end. ON CONFLICT DO NOTHING
    keeps its transaction whole, so that it can look again when it expected nothing in particular.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        names = ("stream", "name", "schema_version", "time", "id", "metadata", "data")
        self._any = Statement(_INSERT.format(condition=""), names)
        self._exact = Statement(_INSERT.format(condition="WHERE now.version = $8"), (*names, "expected"))

    async def append(
        self, link: Link, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> list[StoredEvent] | int | None:
        """Append; see `Appender.append`."""
        version = exact(expected)
        if version is not None:
            return await self._insert(link, self._exact, stream, events, version)
        # Of several rows, some could go in behind those of another writer; the first one alone cannot.
        first = None
        while first is None:  # another writer took the version and has committed
            first = await self._insert(link, self._any, stream, events[:1])
        if not isinstance(first, list) or len(events) == 1:
            return first
        rest = await self._insert(link, self._exact, stream, events[1:], first[0].version)
        return [*first, *rest] if isinstance(rest, list) else rest

    async def _insert(
        self, link: Link, statement: Statement, stream: str, events: Sequence[NewEvent], *expected: int
    ) -> list[StoredEvent] | int | None:
        ids, names, schemas, data, metadata, times = map(list, zip(*events, strict=True))
        values = (stream, names, schemas, times, ids, metadata, data, *expected)
        rows = await link.fetch(statement, values, f"append to {stream}")
        if len(rows) < len(events):
            # Ours that went in, behind those of another writer, do not count; this transaction is doomed.
            return min(version for _, version in rows) - 1 if rows else None
        return [
            StoredEvent(*event, stream, version, Position(position))
            for event, (position, version) in zip(events, sorted(rows, key=_by_version), strict=True)
        ]


@dataclass(frozen=True)
class Noted:
    """What a reader found out when it met a gap.

    Attributes:
        upto: the position of the last event that was there then.
        appending: the transactions that were appending then and are so still, and all prepared ones.
    """

    upto: int
    appending: frozenset[str]


@dataclass
class Known:
    """What a reader knows of one log on one run of its server.

    Attributes:
        log: the start of the server, the number of the table, and whether the server is a standby.
        settled: every position up to this one is there or never comes.
        noted: what was found out at the last gap.
    """

    log: tuple[Any, ...]
    settled: int = START
    noted: Noted | None = None

    def settle(self, position: int) -> int:
        """Move on to a position; return how far it is settled now, which another task may have moved further."""
        self.settled = max(self.settled, position)
        return self.settled


class GapFrontier:
    """A `Frontier` that tells gaps that will be filled from those that will not. One for each process and log.

    What it knows ends with the server's run. After a restart or a failover a prepared transaction has another name, and
    where the last commits were lost their positions are given out again.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = Known(())

    async def head(self) -> Position:
        """Return the end of the log as far as it is certain."""
        return Position(await self._database.look(self._advance, "read the head of the log"))

    async def holding_back(self) -> Sequence[str]:
        """Say which sessions it waits for."""
        noted = self._known.noted
        if noted is None or not noted.appending:
            return ()
        names = list(noted.appending)

        async def look(connection: AsyncConnection) -> Sequence[str]:
            found = await self._database.dialect.fetch(connection, HOLDERS, (names, LOCK))
            return [described(row) for row in found]

        return await self._database.look(look, "look who holds readers back")

    async def _advance(self, connection: AsyncConnection) -> int:
        """Move on behind every event that is there and every gap that stays. Several may do so at once."""
        while True:
            known = self._known
            settled = known.settled
            *log, first, last, following = (await self._fetch(connection, _RUN, settled))[0]
            if tuple(log) != known.log:
                self._known = known = _of(tuple(log))
                await self._resolve(connection, known, START + 1)
                continue
            if first is None:
                return settled
            if first == settled + 1:
                settled = known.settle(last)
                if following is None:
                    return settled
            if not await self._resolve(connection, known, settled + 1):
                return settled

    async def _resolve(self, connection: AsyncConnection, known: Known, missing: int) -> bool:
        """Return whether a position that is missing, and perhaps further ones, are certain now."""
        noted = known.noted
        if noted is None or noted.upto < missing:
            # In this order: whoever was given a position up to this one had taken the lock before.
            last = (await self._fetch(connection, _LAST))[0][0]
            noted = Noted(last, frozenset(await self._appending(connection)))
        else:
            now = await self._appending(connection)
            # A prepared transaction may be one that was noted under the name that it had before the server crashed.
            prepared = frozenset(name for name, is_prepared in now.items() if is_prepared)
            noted = Noted(noted.upto, noted.appending & now.keys() | prepared)
        known.noted = noted
        return not noted.appending and known.settle(noted.upto) >= missing

    async def _appending(self, connection: AsyncConnection) -> dict[str, bool]:
        """Return the transactions that hold the lock, and whether each is prepared."""
        return {row[0]: row[1] for row in await self._fetch(connection, _APPENDING, LOCK)}

    async def _fetch(self, connection: AsyncConnection, text: str, *parameters: int) -> Sequence[Any]:
        return await self._database.dialect.fetch(connection, text, parameters)


def _of(log: tuple[Any, ...]) -> Known:
    """Return that nothing is known yet of a log.

    Raises:
        ConfigurationError: it is on a standby.
    """
    if log[-1]:
        raise ConfigurationError(
            "cannot read the log from a standby: it does not know who appends on the primary, and events that commit late "
            "would be skipped. Connect to the primary."
        )
    return Known(log)


def _by_version(row: Sequence[int]) -> int:
    return row[1]
