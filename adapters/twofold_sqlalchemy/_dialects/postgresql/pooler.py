"""Connection poolers between an engine and PostgreSQL, such as PgBouncer.

In transaction mode, a pooler runs each transaction in another session of the server. Prepared statements, settings and
LISTEN belong to a session, so a later transaction does not find them, or finds those of another client. Through a pooler,
statements are therefore prepared without a name, immediately before they run: the pooler does not change the session in
between, because asyncpg sends no Sync message there. Advisory locks are those of a transaction in any case.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


def _no_name() -> str:
    return ""


_WITHOUT_NAMES: Final = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": _no_name,
}
"""The options of SQLAlchemy's dialect and of asyncpg for statements without a name."""

_OPENED: Final = "twofold_opened"
"""The key in `connection.info` that marks a connection which `Pooler.connect` has opened."""

_attached: WeakKeyDictionary[Engine, Pooler] = WeakKeyDictionary()
"""The pooler of each engine. Several stores may share an engine."""


class Pooler:
    """Opens the connections of one engine, and finds out whether they pass a pooler.

    Attributes:
        found: whether they do; None before the first connection.
    """

    def __init__(self) -> None:
        self.found: bool | None = None

    def connect(self, dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Open a connection, as the listener of SQLAlchemy's event `do_connect`."""
        record.info[_OPENED] = True
        if self.found is None:
            connection = dialect.connect(*arguments, **options)
            self.found = connection.run_async(_passes_a_pooler)
            if not self.found:
                return connection
            connection.close()
        return dialect.connect(*arguments, **{**options, **(_WITHOUT_NAMES if self.found else {})})


def is_ready(connection: AsyncConnection, pooler: Pooler) -> bool:
    """Return whether a connection through a pooler was opened for statements without a name."""
    return bool(pooler.found) and _OPENED in connection.info


def pooler_of(engine: AsyncEngine) -> Pooler:
    """Return the pooler of an engine, which opens its connections from now on."""
    found = _attached.get(engine.sync_engine)
    if found is None:
        found = _attached[engine.sync_engine] = Pooler()
        event.listen(engine.sync_engine, "do_connect", found.connect)
    return found


async def fetch_unnamed(driver: Any, text: str, *parameters: object) -> Any:
    """Return the first row of a statement that is prepared without a name, since a name may exist in a pooler's session."""
    return await (await driver.prepare(text, name="")).fetchrow(*parameters)


async def _passes_a_pooler(driver: Any) -> bool:
    """Return whether the session has another number than the one with which the connection was opened.

    The number is part of the key for cancellations, and a pooler gives its clients keys of its own.
    """
    (session,) = await fetch_unnamed(driver, "SELECT pg_backend_pid()")
    return bool(session != driver.get_server_pid())
