"""The end of the event log on PostgreSQL: appends run at the same time, and a reader still sees every event, in order.

Positions come from an identity column. A transaction takes its positions before it commits. So a reader may see
position 8 while the transaction of position 7 is still open, or was rolled back, in which case position 7 stays empty.
The reader has to know which, without timeouts and without guesses.

Every transaction that inserts into the log holds a shared advisory lock until it ends. A trigger takes the lock before
the transaction's first position. When a reader finds a gap, it reads the position of the last visible event, and then
the transactions that hold the lock. Each transaction with a position up to that one is among them or has ended. Once
all of them have ended, the positions that are still missing up to that one were rolled back. Only transactions that
append can hold a reader back, and the append is the last step of their transaction.

No position after the last event is ever certain: after a crash, the server assigns positions again that it had assigned
to transactions which did not commit, if the positions lie after the last committed one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError
from twofold.ports import START, BlockingTransaction

from ..._connection.database import Database
from ..._dialects.postgresql.catalog import ADVISORY_LOCK
from ..strategy import Head
from .holders import HOLDERS, holder

_RUN: Final = """
SELECT pg_postmaster_start_time(), 'twofold_events'::regclass::oid, pg_is_in_recovery(),
    (SELECT id FROM twofold_events WHERE position = $1) AS settled, first.position, run.position, run.id,
    (SELECT min(position) FROM twofold_events WHERE position > run.position)
FROM (VALUES (1)) AS always
LEFT JOIN LATERAL (SELECT position FROM twofold_events WHERE position > $1 ORDER BY position LIMIT 1) AS first ON true
LEFT JOIN LATERAL (
    SELECT position, (SELECT id FROM twofold_events AS named WHERE named.position = pairs.position) FROM (
        SELECT position, lead(position) OVER (ORDER BY position) AS next FROM twofold_events
        WHERE position > $1 AND position <= $1 + 1000
    ) AS pairs
    WHERE first.position = $1 + 1 AND next IS DISTINCT FROM position + 1 ORDER BY position LIMIT 1
) AS run ON true
"""
"""Identifies the log. Returns the id of the event at a given position, and the first position after it; if that follows
directly, the last position before the next gap with the id there, and the first position after it. A run of more than 1,000
positions is cut there, so that the cost does not grow with the log."""

_LAST: Final = "SELECT coalesce(max(position), 0) FROM twofold_events"

_APPENDING: Final = """
SELECT virtualtransaction, pid IS NULL FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = 'twofold_events'::regclass AND objsubid = 2
AND granted AND mode = 'ShareLock'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""The transactions that append. One that waits for the lock has no position yet, and `LogWriter.lock` takes none."""


@dataclass(frozen=True)
class Gap:
    """The state of the log when a reader found a gap.

    Attributes:
        upto: the last position at that moment.
        appending: the transactions of that moment that still append.
        since: the moment, in seconds of a monotonic clock.
    """

    upto: int
    appending: frozenset[str]
    since: float = field(default_factory=time.monotonic)


@dataclass
class Progress:
    """The progress of a reader in one log during one run of the log's server.

    Attributes:
        log: the server's start time, the table's OID, and whether the server is a standby.
        settled: every position up to this one is committed or will stay empty.
        gap: the state at the last gap.
    """

    log: tuple[Any, ...]
    settled: int = START
    gap: Gap | None = None

    def settle(self, position: int) -> int:
        """Settle the log up to a position. Return the settled position, which another task may have advanced further."""
        self.settled = max(self.settled, position)
        return self.settled


class GapFrontier:
    """A `Frontier` that distinguishes gaps that can be filled from gaps that stay. One for each process and log.

    Its progress is valid for one run of the server. After a restart or a failover, a prepared transaction has another
    name, and if the last commits were lost, the server assigns their positions again.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._progress = Progress(())

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
        """Describe the sessions that the frontier waits for."""
        gap = self._progress.gap
        if gap is None or not gap.appending:
            return ()
        names, waited = list(gap.appending), time.monotonic() - gap.since

        async def describe(connection: AsyncConnection) -> Sequence[BlockingTransaction]:
            found = await self._database.dialect.connections.fetch(connection, HOLDERS, (names, ADVISORY_LOCK))
            return [holder(row, waited) for row in found]

        return await self._database.use_driver(describe, "find the sessions that block readers")

    async def head(self, connection: AsyncConnection) -> Head:
        """Advance past every event and every gap that stays, and return the settled end. Concurrent calls are safe."""
        while True:
            progress = self._progress
            settled = progress.settled
            *log, event, first, last, last_event, following = (await self._fetch(connection, _RUN, settled))[0]
            if tuple(log) != progress.log or (settled > START and event is None):
                self._progress = progress = _unread(tuple(log))
                await self._resolve(connection, progress, START + 1)
                continue
            if first == settled + 1:
                progress.settle(last)
                settled, event = last, last_event
                if following is None:
                    return Head(settled, event)
                if following == last + 1:
                    # This reader is far from the end. It need not search the rest if no transaction appends.
                    await self._resolve(connection, progress, following)
                    continue
            elif first is None:
                return Head(settled, event)
            if not await self._resolve(connection, progress, settled + 1):
                return Head(settled, event)

    async def _resolve(self, connection: AsyncConnection, progress: Progress, missing: int) -> bool:
        """Return whether a missing position is settled now, perhaps with further positions."""
        gap = progress.gap
        if gap is None or gap.upto < missing:
            # In this order: a transaction takes the lock before its positions, so all positions up to `last` are covered.
            last = (await self._fetch(connection, _LAST))[0][0]
            gap = Gap(last, frozenset(await self._appending(connection)))
        else:
            now = await self._appending(connection)
            # A crash of the server renames prepared transactions, so each of them may be one of the gap's transactions.
            prepared = frozenset(name for name, is_prepared in now.items() if is_prepared)
            gap = replace(gap, appending=gap.appending & now.keys() | prepared)
        progress.gap = gap
        return not gap.appending and progress.settle(gap.upto) >= missing

    async def _appending(self, connection: AsyncConnection) -> dict[str, bool]:
        """Return the transactions that hold the lock, each with whether it is prepared."""
        return {row[0]: row[1] for row in await self._fetch(connection, _APPENDING, ADVISORY_LOCK)}

    async def _fetch(self, connection: AsyncConnection, text: str, *parameters: int) -> Sequence[Any]:
        return await self._database.dialect.connections.fetch(connection, text, parameters)


def _unread(log: tuple[Any, ...]) -> Progress:
    """Return the progress in a log that was not read yet.

    Raises:
        ConfigurationError: the server is a standby.
    """
    if log[-1]:
        raise ConfigurationError(
            "cannot read the event log from a standby: it does not know which transactions append on the primary, so events "
            "that commit late would be skipped. Connect to the primary."
        )
    return Progress(log)
