"""The sessions that hold readers of the event log back, for operators."""

from __future__ import annotations

from typing import Any, Final

from twofold.ports import BlockingTransaction

HOLDERS: Final = """
SELECT coalesce(activity.pid, 0), coalesce(activity.application_name, ''), coalesce(activity.state, 'prepared'),
    coalesce(extract(epoch FROM clock_timestamp() - coalesce(activity.xact_start, named.prepared))::float8, 0),
    coalesce(activity.query, named.gid, '')
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
LEFT JOIN pg_prepared_xacts AS named ON held.pid IS NULL AND named.transaction IN (
    SELECT transactionid FROM pg_locks
    WHERE locktype = 'transactionid' AND virtualtransaction = held.virtualtransaction
)
WHERE held.locktype = 'advisory' AND held.classid = $2::int::oid AND held.objsubid = 2
AND held.virtualtransaction = ANY($1::text[])
"""


def holder(row: Any, waited: float) -> BlockingTransaction:
    """Return a transaction that holds readers back.

    Args:
        row: its session. PostgreSQL hides the age of another role's transaction.
        waited: how long a reader has waited for the transaction, in seconds.
    """
    pid, application, state, age, query = row
    seconds = max(age, waited)
    if state == "prepared":
        text = f"the prepared transaction {query!r:.80} has been appending for {seconds:.1f} s"
        return BlockingTransaction(text, seconds)
    named = f" of {application}" if application else ""
    text = (
        f"session {pid}{named} has been appending for {seconds:.1f} s; its state is {state}, its last statement is "
        f"{query[:80]!r}"
    )
    return BlockingTransaction(text, seconds)
