"""The sessions that hold readers of the event log back, for operators."""

from __future__ import annotations

from typing import Any, Final

HOLDERS: Final = """
SELECT coalesce(activity.pid, 0), coalesce(activity.application_name, ''), coalesce(activity.state, 'prepared'),
    coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start)::float8, 0), coalesce(activity.query, '')
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory' AND held.classid = $2::int::oid AND held.objsubid = 2
AND held.virtualtransaction = ANY($1::text[])
"""


def described(row: Any) -> str:
    """Describe a session that holds readers back."""
    pid, application, state, seconds, query = row
    named = f" of {application}" if application else ""
    return (
        f"session {pid}{named} has been appending for {seconds:.1f} s; its state is {state}, its last statement is "
        f"{query[:80]!r}"
    )
