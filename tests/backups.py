"""Backups of a log, and their restore under an application that may be running."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread

from twofold.ports import WriteStore
from twofold.testing.conformance import Restore
from twofold.testing.conformance._tools.proxy import Proxy
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy

_SEQUENCE = "pg_get_serial_sequence('twofold_events', 'position')"


async def take_backup(store: WriteStore) -> Restore:
    """Return what lets the log of a store lose all later events.

    In memory, events are removed. On SQLite, the file is replaced by a copy. On a server, events are deleted by an account
    that may disable triggers, and the process is made to believe that its connections lead to another server.
    """
    found: Any = store
    while isinstance(found, Proxy) or hasattr(found, "write_store"):
        found = found.write_store if hasattr(found, "write_store") else found.inner
    if isinstance(found, InMemory):
        kept = len(found._tables.events)
        return lambda: _lose(found, kept)
    assert isinstance(found, SqlAlchemy)
    engine, head = found._database.engine, await found.log.head()
    if engine.dialect.name == "sqlite":
        file = Path(str(engine.url.database))
        copy = file.with_suffix(".backup")
        await anyio.to_thread.run_sync(_copy, file, copy)
        return lambda: anyio.to_thread.run_sync(_replace, file, copy)
    statements = _DELETE[engine.dialect.name]
    return lambda: _delete(found, [statement.format(head=head) for statement in statements])


async def _lose(store: InMemory, kept: int) -> None:
    store._tables.lose(len(store._tables.events) - kept)


def _copy(file: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()


def _replace(file: Path, copy: Path) -> None:
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    copy.replace(file)


async def _delete(store: SqlAlchemy, statements: Sequence[str]) -> None:
    async with store._database.engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
        await connection.commit()
    store._database.change_run()


_TRIGGER = "ALTER TABLE twofold_events {} TRIGGER twofold_events_unchanged"
_NO_DELETE = "CREATE TRIGGER twofold_events_no_delete BEFORE DELETE ON twofold_events FOR EACH ROW "
_DELETE = {
    "postgresql": [
        _TRIGGER.format("DISABLE"),
        "DELETE FROM twofold_events WHERE position > {head}",
        _TRIGGER.format("ENABLE"),
        f"SELECT setval({_SEQUENCE}, greatest({{head}}, 1), {{head}} > 0)",
    ],
    "mysql": [
        "DROP TRIGGER twofold_events_no_delete",
        "DELETE FROM twofold_events WHERE position > {head}",
        "UPDATE twofold_meta SET head = {head}",
        _NO_DELETE + "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events are never changed or deleted'",
    ],
}
