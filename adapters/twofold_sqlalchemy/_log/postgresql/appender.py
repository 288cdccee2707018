"""Appends on PostgreSQL: one INSERT for any number of events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from twofold.ports import AppendCondition, ExpectedVersion, NewEvent, Position, StoredEvent

from ..._connection.open_transaction import OpenTransaction
from ..._connection.statements import Statement, written
from ..._dialects.postgresql.catalog import INLINE_GENERATION
from ..columns import exact
from ..strategy import GENERATION
from ..tags import TaggedEvents, locked_tags
from .tag_locks import LOCK_LOG, LOCK_TAGS, MOST, tag_values, tagged_insert, wanted

_INSERT: Final = """
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


class ArrayInsert:
    """An `Appender`: one INSERT for any number of events, which also checks the expected version.

    Two writers of one stream meet at the unique constraint: the second waits for the first to end. ON CONFLICT DO NOTHING
    keeps the second transaction usable, so it can retry with the next version if it expected no particular version.

    The generation of the inline projections is compared with the result of a volatile function, which is called after the
    trigger on the table has the lock. A subquery on the table would read the state before the wait for the lock.
    """

    def __init__(self, tagged: TaggedEvents) -> None:
        self._tagged = tagged
        names = ("stream", "name", "schema_version", "time", "id", "metadata", "data")
        fence = f"($8::bigint IS NULL OR (SELECT {INLINE_GENERATION}) = $8)"
        self._any = written(_INSERT.format(condition=f"WHERE {fence}"), (*names, "inline"))
        exactly = f"WHERE {fence} AND now.version = $9"
        self._exact = written(_INSERT.format(condition=exactly), (*names, "inline", "expected"))
        of = ("keys", "numbers", "tags")
        self._any_tagged = tagged_insert(f"WHERE {fence}", (*names, "inline", *of))
        exactly = f"WHERE {fence} AND now.version = $12"
        self._exact_tagged = tagged_insert(exactly, (*names, "inline", *of, "expected"))

    async def append(
        self,
        transaction: OpenTransaction,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        inline: int | None,
    ) -> list[StoredEvent] | int | None:
        """Append; see `Appender.append`."""
        version = exact(expected)
        if len({tag for event in events for tag in event.tags}) > MOST:
            await self.lock(transaction)
        if version is not None:
            return await self._insert(transaction, self._exact, stream, events, inline, version)
        # Some of several rows could be inserted after another writer's rows. A single row cannot.
        first = None
        while first is None:  # another writer took the version and has committed
            first = await self._insert(transaction, self._any, stream, events[:1], inline)
            if first is None and inline is not None:
                ((generation,),) = await transaction.fetch(GENERATION, (), f"append to {stream}")
                if generation != inline:
                    return None
        if not isinstance(first, list) or len(events) == 1:
            return first
        rest = await self._insert(transaction, self._exact, stream, events[1:], inline, first[0].version)
        return [*first, *rest] if isinstance(rest, list) else rest

    async def guard(
        self, transaction: OpenTransaction, conditions: Sequence[AppendCondition], tags: Collection[str]
    ) -> None:
        """Lock the tags of criteria alone, and share the tags of events. Then count the matching events.

        The count is a statement of its own, which reads the state after the locks.
        """
        alone = locked_tags(conditions)
        if alone is None or len(alone.union(tags)) > MOST:
            await self.lock(transaction)
        else:
            await transaction.fetch(LOCK_TAGS, wanted(tags, alone), "lock the tags of a boundary")
        await self._tagged.check_count(transaction, conditions)

    async def lock(self, transaction: OpenTransaction) -> None:
        """Take the lock that every transaction which appends shares, for this transaction alone."""
        await transaction.fetch(LOCK_LOG, (), "lock the event log")

    async def _insert(
        self,
        transaction: OpenTransaction,
        statement: Statement,
        stream: str,
        events: Sequence[NewEvent],
        *conditions: int | None,
    ) -> list[StoredEvent] | int | None:
        ids, names, schemas, data, metadata, times, tags = map(list, zip(*events, strict=True))
        values: tuple[Any, ...] = (stream, names, schemas, times, ids, metadata, data, *conditions)
        if any(tags):
            keys, numbers, found = tag_values(events)
            if len(keys) > MOST:  # this transaction has locked the log
                keys = []
            statement = self._any_tagged if statement is self._any else self._exact_tagged
            values = (*values[:8], keys, numbers, found, *values[8:])
        rows = await transaction.fetch(statement, values, f"append to {stream}")
        if len(rows) < len(events):
            # Rows inserted after another writer's rows are rolled back: the caller raises a conflict.
            return min(version for _, version in rows) - 1 if rows else None
        return [
            StoredEvent(*event[:6], stream, version, Position(position))
            for event, (position, version) in zip(events, sorted(rows, key=_by_version), strict=True)
        ]


def _by_version(row: Sequence[int]) -> int:
    return row[1]
