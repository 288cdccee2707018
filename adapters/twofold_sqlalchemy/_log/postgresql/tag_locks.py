"""Advisory locks on tags: appends that no boundary reads run concurrently, and those that one reads wait for it.

A transaction that appends tagged events shares the lock of each tag until its end. A decider takes the lock of one tag of
each of its criteria for itself, and then checks its conditions in a statement of its own. An event that matches a criterion
has this tag, so its transaction has either ended before the check, which sees the event, or takes the lock after the end of
the decider.

Every transaction shares the lock of the log before it takes locks on tags, and takes these in the order of their keys, so
that transactions do not deadlock. So the lock of the log replaces all others for a transaction that takes it for itself: a
decider whose criteria have no tags, and a transaction with more than 100 tags, whose locks would fill
the lock table of the server.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from twofold.ports import NewEvent

from ..._connection.statements import Statement, written
from ..._dialects.postgresql.catalog import ADVISORY_LOCK

MOST: Final = 100
"""The maximal number of tags that one transaction locks. With more, it locks the log."""

_LOG: Final = f"{ADVISORY_LOCK}, 'twofold_events'::regclass::oid::int"

_TAG: Final = "('twofold_events'::regclass::oid::bigint << 32) # key"
"""Logs in several schemas of one database have different keys."""

LOCK_LOG: Final = written(f"SELECT pg_advisory_xact_lock({_LOG})", ())
"""The trigger on `twofold_events` takes the same lock, shared."""

LOCK_TAGS: Final = written(
    f"SELECT CASE WHEN key IS NULL THEN pg_advisory_xact_lock_shared({_LOG})::text "  # noqa: S608 -- constants
    f"WHEN alone THEN pg_advisory_xact_lock({_TAG})::text ELSE pg_advisory_xact_lock_shared({_TAG})::text END "
    "FROM unnest($1::bigint[], $2::bool[]) AS wanted(key, alone)",
    ("keys", "alone"),
)
"""Takes the locks of `wanted` in their order."""

_INSERT: Final = """
WITH now AS (SELECT coalesce(max(version), 0) AS version FROM twofold_events WHERE stream = $1),
locked AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock_shared({key})::text) FROM unnest($9::bigint[]) AS key
), added AS (
    INSERT INTO twofold_events (stream, version, name, schema_version, time, id, metadata, data)
    SELECT $1, now.version + new.number, new.name, new.schema_version, new.time, new.id, new.metadata::json, new.data::json
    FROM locked, now, unnest($2::text[], $3::int[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[])
        WITH ORDINALITY AS new(name, schema_version, time, id, metadata, data, number)
    {condition}
    ORDER BY new.number
    ON CONFLICT (stream, version) DO NOTHING
    RETURNING position, version, name
), tagged AS (
    INSERT INTO twofold_tags (tag, position, name)
    SELECT its.tag, added.position, added.name
    FROM now, added, unnest($10::int[], $11::text[]) AS its(number, tag)
    WHERE added.version = now.version + its.number
)
SELECT position, version FROM added
"""


def tagged_insert(condition: str, names: Sequence[str]) -> Statement:
    """Return the INSERT of events with tags. The trigger locks the log before the subquery locks the tags.

    Args:
        condition: the condition, with the parameter `$12` in place of `$9`.
        names: the names of the parameters.
    """
    return written(_INSERT.format(key=_TAG, condition=condition), names)


def wanted(shared: Collection[str], alone: Collection[str]) -> tuple[list[int | None], list[bool]]:
    """Return the keys of the locks that a transaction takes, and whether it takes each of them alone.

    Args:
        shared: the tags of the events that it appends.
        alone: the tags of its criteria.
    """
    found = dict.fromkeys(map(_key, shared), False) | dict.fromkeys(map(_key, alone), True)
    keys = sorted(found)
    return [None, *keys], [False, *map(found.__getitem__, keys)]


def tag_values(events: Sequence[NewEvent]) -> tuple[list[int], list[int], list[str]]:
    """Return the keys of the locks of the tags of events, and each tag with the number of its event."""
    numbered = [(number, tag) for number, event in enumerate(events, 1) for tag in event.tags]
    keys = sorted({_key(tag) for _, tag in numbered})
    return keys, [number for number, _ in numbered], [tag for _, tag in numbered]


def _key(tag: str) -> int:
    return int.from_bytes(blake2b(tag.encode(), digest_size=8).digest(), "big", signed=True)
