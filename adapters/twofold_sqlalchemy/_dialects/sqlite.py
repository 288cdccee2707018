"""SQLite: one writer at a time, any number of readers (WAL), through aiosqlite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Float, Integer, Table, Text, bindparam, event, func
from sqlalchemy import cast as type_cast
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

from twofold.errors import ConfigurationError, TransientFailure

from .._log.conditional_insert import ConditionalInsert, LastPosition
from . import Appender, Frontier
from .aiosqlite import OneHopConnection, connect
from .fields import Codec, Kind
from .through import ThroughSqlAlchemy

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._schema.tables import Tables

_OLDEST = (3, 35, 0)
"""The first SQLite with RETURNING."""

_MISSING = ("no such table", "no such column", "has no column")

_UNFIT = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT}

_OWN = "twofold_begun"
"""The execution option of connections whose transactions are begun here and not by SQLAlchemy."""


class Turn:
    """The queue of one process's writers to one database, in one event loop."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.owner: asyncio.Task[Any] | None = None

    def end(self) -> None:
        """Let the next one write."""
        self.owner = None
        self.lock.release()


_turns: WeakKeyDictionary[Engine, WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]] = WeakKeyDictionary()
"""The queues of each engine that was attached; several stores may share an engine."""


class Sqlite(ThroughSqlAlchemy):
    """SQLite, through aiosqlite.

    Args:
        busy_timeout: seconds to wait for another process that writes.
        queue_timeout: seconds to wait for the writers of this process.
    """

    def __init__(self, *, busy_timeout: float, queue_timeout: float) -> None:
        self._busy_timeout = busy_timeout
        self._queue_timeout = queue_timeout
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turn] = WeakKeyDictionary()
        self._file = ""

    def advice(self, error: BaseException | None) -> str:
        """Return what to do about a file that cannot be opened; SQLite does not name it."""
        if "unable to open database file" not in str(error):
            return ""
        return f"The file is {self._file!r}: create its folder, let it be written to, or correct the URL of the engine."

    def looking(self, engine: AsyncEngine) -> AsyncEngine:
        """Statements outside of a transaction are on their own already."""
        return engine

    async def hold_schema(self, connection: AsyncConnection) -> None:
        """Do nothing: the transaction holds the one lock for writing."""

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Make new connections cross to their thread once a statement, with Twofold's settings."""
        if engine.dialect.driver != "aiosqlite":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for SQLite: use sqlite+aiosqlite://."
            )
        if _in_memory(engine.url):
            raise ConfigurationError(
                "cannot use an in-memory SQLite database: all its users would share one connection, and so one "
                "transaction. Use a file, sqlite+aiosqlite:///orders.db, or twofold_memory.InMemory()."
            )
        known = _turns.get(engine.sync_engine)
        if known is None:
            known = _turns[engine.sync_engine] = WeakKeyDictionary()
            event.listen(engine.sync_engine, "do_connect", self._connect)
            event.listen(engine.sync_engine, "begin", _begin)
        self._turns, self._file = known, str(engine.url.database)
        return engine.execution_options(**{_OWN: True})

    async def check(self, connection: AsyncConnection) -> None:
        """Look at SQLite's version and journal."""
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(f"cannot use SQLite {sqlite3.sqlite_version}: this adapter needs 3.35 or later.")
        journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
        if journal != "wal":
            raise ConfigurationError(
                f"cannot use this database: its journal mode is {journal!r} and did not change to 'wal'. "
                "Keep it on a local disk."
            )

    async def take_turn(self) -> Callable[[], None]:
        """Queue for the turn to write: first come, first served, and no polling of the database."""
        turn = self._turns.setdefault(asyncio.get_running_loop(), Turn())
        if turn.owner is asyncio.current_task():
            raise ConfigurationError(
                "cannot begin a transaction: this task has one open that writes to the same SQLite database, which takes "
                "one writer at a time. End that one first, or begin with read_only=True."
            )
        try:
            async with asyncio.timeout(self._queue_timeout):
                await turn.lock.acquire()
        except TimeoutError as error:
            raise TransientFailure(
                f"cannot begin a transaction: after {self._queue_timeout} s another one of this process still writes. "
                "Look for a handler that waits for something slow in the middle of one."
            ) from error
        turn.owner = asyncio.current_task()
        return turn.end

    async def adopt(self, connection: AsyncConnection) -> None:
        """Replace a connection that the pool opened before the engine was attached."""
        if not isinstance(_driver(connection), OneHopConnection):
            await connection.invalidate()
            if not isinstance((await connection.get_raw_connection()).driver_connection, OneHopConnection):
                raise ConfigurationError("cannot use an engine that has a creator of its own; give it a URL instead.")

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """BEGIN IMMEDIATE, so that the lock is held before anything is read; or BEGIN with `query_only`."""
        driver = cast(OneHopConnection, _driver(connection))
        await (driver.begin_reading() if read_only else driver.begin_writing())

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind is kept; see `_CODECS`."""
        return _CODECS[kind]

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare decimals as floating-point numbers, exact to 15 significant digits: SQLite has no decimals."""
        return type_cast(column, Float()) if kind is Kind.DECIMAL else column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select the column as it is."""
        return column

    def counter(self, name: str) -> Column[Any]:
        """INTEGER is the only type that SQLite counts up."""
        return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)

    def position(self, name: str) -> Column[Any]:
        """Count positions up."""
        return self.counter(name)

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """AUTOINCREMENT: a number that was rolled back or deleted is not given again."""
        return {"sqlite_autoincrement": True} if counted else {}

    def insert_new(self, table: Table) -> Insert:
        """ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing()

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """ON CONFLICT DO UPDATE ... WHERE."""
        statement = insert(table).values({column.name: bindparam(column.name) for column in table.columns})
        new = statement.excluded
        return statement.on_conflict_do_update(
            index_elements=[key],
            set_={column.name: new[column.name] for column in table.columns if column is not key},
            where=new[guard.name] >= guard,
        )

    def guards(self, table: Table) -> Sequence[tuple[str, str]]:
        """Two triggers."""
        return [(f"{table.name}_no_{action.lower()}", _guard(table.name, action)) for action in ("UPDATE", "DELETE")]

    async def missing_guards(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look for the triggers in `sqlite_master`."""
        found = await connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        present = {name for (name,) in found}
        return [name for name, _ in self.guards(table) if name not in present]

    async def indexes(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look in `sqlite_master`, which also knows those of expressions."""
        found = await connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table.name,)
        )
        return [name for (name,) in found]

    def same_type(self, found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
        """Compare what the types are called in SQL."""
        own = sqlite_dialect()
        return found.compile(own) == wanted.compile(own)

    def now(self) -> ColumnElement[Any]:
        """Turn days into seconds; older SQLites know no others."""
        return (func.julianday("now") - 2440587.5) * 86400.0

    def appender(self, database: Database, tables: Tables) -> Appender:
        """Writers take turns, so one insert can look and write."""
        return ConditionalInsert(database, tables)

    def frontier(self, database: Database, tables: Tables) -> Frontier:
        """Writers take turns, so what is behind the last event is yet to come."""
        return LastPosition(database, tables)

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise errors of `sqlite3`."""
        return isinstance(error, sqlite3.Error)

    def violated(self, error: BaseException) -> str | None:
        """Read `UNIQUE constraint failed: table.column, ...`."""
        _, found, columns = str(getattr(error, "orig", error)).partition("UNIQUE constraint failed: ")
        return columns if found else None

    def is_transient(self, error: BaseException | None) -> bool:
        """Say yes to a lock that somebody else holds, and to an interruption."""
        return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}

    def is_refused_write(self, error: BaseException | None) -> bool:
        """Say yes to `attempt to write a readonly database`."""
        return _code(error) == sqlite3.SQLITE_READONLY

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise it by its text: SQLite has no code for it."""
        return isinstance(error, sqlite3.OperationalError) and any(text in str(error) for text in _MISSING)

    def is_unfit(self, error: BaseException | None) -> bool:
        """Say yes to what is too big, and to a constraint."""
        return isinstance(error, sqlite3.DataError) or _code(error) in _UNFIT

    def _connect(self, dialect: Any, record: object, args: list[Any], kwargs: dict[str, Any]) -> Any:
        own = {"async_creator_fn": connect, "busy_timeout": self._busy_timeout}
        return dialect.loaded_dbapi.connect(*args, **{**kwargs, **own})


def _begin(connection: Connection) -> None:
    """Begin the transactions of others on this engine; the driver no longer does it by itself."""
    if not connection.get_execution_options().get(_OWN):
        connection.exec_driver_sql("BEGIN")


def _guard(table: str, action: str) -> str:
    trigger = f"CREATE TRIGGER IF NOT EXISTS {table}_no_{action.lower()} BEFORE {action} ON {table}"
    return f"{trigger} BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END"


def _driver(connection: AsyncConnection) -> object:
    return cast(Connection, connection.sync_connection).connection.driver_connection


def _in_memory(url: URL) -> bool:
    database = url.database or ":memory:"
    return ":memory:" in database or "mode=memory" in database or url.query.get("mode") == "memory"


def _code(error: BaseException | None) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _plain(value: Decimal) -> str:
    """Write a decimal without an exponent, unless it has one that the plain notation would lose."""
    exponent = value.as_tuple().exponent
    return format(value, "f") if isinstance(exponent, int) and -100 < exponent <= 0 else str(value)


def _sortable(value: datetime) -> str:
    """Write a time in UTC with microseconds; a time without a zone stays one."""
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_CODECS = {
    Kind.NAME: Codec(Text(), plain=str),
    Kind.TEXT: Codec(Text(), plain=str),
    Kind.INTEGER: Codec(BigInteger(), plain=int),
    Kind.BOOLEAN: Codec(Boolean(), decode=bool),
    # SQLite turns NaN into NULL, so it is kept as text, which sorts behind all numbers.
    Kind.FLOAT: Codec(Float(), encode=lambda value: value if value == value else "NaN", decode=float),
    Kind.DECIMAL: Codec(Text(), encode=_plain, decode=Decimal),
    Kind.DATETIME: Codec(Text(), encode=_sortable, decode=datetime.fromisoformat),
    Kind.DATE: Codec(Text(), encode=date.isoformat, decode=date.fromisoformat),
    Kind.UUID: Codec(Text(), encode=str, decode=UUID),
    Kind.JSON: Codec(Text()),
}
