"""PostgreSQL 14 or later, through asyncpg: any number of writers and readers at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Identity,
    Numeric,
    Table,
    Text,
    Uuid,
    bindparam,
    extract,
    func,
)
from sqlalchemy import cast as type_cast
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

from twofold.errors import ConfigurationError, StorageError

from .._log.postgresql import LOCK, ArrayInsert, GapFrontier
from .._log.postgresql_notify import announce, watch
from . import Appender, Frontier
from .fields import Codec, Kind
from .through import NothingParticular
from .uninterrupted import uninterrupted

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._schema.tables import Tables

_OLDEST = 14

_PATIENCE = 2.0
"""Seconds until a connection that does not answer is given up."""

_TRANSIENT = re.compile(
    r"40001|40P01"  # serialisation failure, deadlock
    r"|55P03|57014"  # a lock that did not come, a statement that was cancelled
    r"|08...|57P..|53..."  # connection lost, server going down, too many connections or no resources
)

_BEGIN = {
    False: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}

_MISSING = {"42P01", "42703"}  # undefined table, undefined column


class PostgreSQL(NothingParticular):
    """PostgreSQL, through asyncpg."""

    # -- transactions

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Leave BEGIN and COMMIT to this module, which calls the driver without a detour."""
        if engine.dialect.driver != "asyncpg":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for PostgreSQL: use postgresql+asyncpg://."
            )
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    def looking(self, engine: AsyncEngine) -> AsyncEngine:
        """Use the same: outside of BEGIN each statement is on its own."""
        return engine

    async def hold_schema(self, connection: AsyncConnection) -> None:
        """Take an advisory lock: two `CREATE TABLE IF NOT EXISTS` at once fail on PostgreSQL."""
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK}, 0)")

    async def check(self, connection: AsyncConnection) -> None:
        """Look at the server's version, and that positions are counted one by one."""
        version = (await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()
        if int(version) < _OLDEST * 10000:
            raise ConfigurationError(
                f"cannot use PostgreSQL {int(version) // 10000}: this adapter needs {_OLDEST} or later."
            )
        found = await connection.exec_driver_sql(
            "SELECT seqcache FROM pg_sequence WHERE to_regclass('twofold_events') IS NOT NULL "
            "AND seqrelid = pg_get_serial_sequence('twofold_events', 'position')::regclass"
        )
        if found.scalar() not in (None, 1):
            raise ConfigurationError(
                "cannot use this log: the sequence of twofold_events.position has a cache, so that positions would not be "
                "taken in order. Set it to 1: ALTER TABLE twofold_events ALTER COLUMN position SET CACHE 1."
            )

    async def take_turn(self) -> Callable[[], None]:
        """Do not wait: writers need no turns."""
        return _nothing

    async def adopt(self, connection: AsyncConnection) -> None:
        """Replace connections that broke while they were in the pool, as far as the driver has noticed."""
        while _driver(connection).is_closed():
            await connection.invalidate()
            await connection.get_raw_connection()

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """READ COMMITTED for writing, guarded by versions; REPEATABLE READ READ ONLY for reading one state."""
        await _driver(connection).execute(_BEGIN[read_only])

    async def cut_short(self, connection: AsyncConnection) -> None:
        """End what is open on the server: between preparing a statement and running it, asyncpg leaves a transaction there.

        A later BEGIN would be part of that, and be refused. Any simple query ends it.
        """
        # A further cancellation that comes meanwhile is the one that is under way already.
        try:
            await uninterrupted(asyncio.wait_for(_driver(connection).execute("SELECT 1"), _PATIENCE))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await uninterrupted(connection.invalidate())

    async def discard(self, connection: AsyncConnection) -> None:
        """Close it for good: SQLAlchemy's pool does not know of a BEGIN that it did not send."""
        await connection.invalidate()
        await connection.close()

    async def commit(self, connection: AsyncConnection) -> None:
        """COMMIT; PostgreSQL answers ROLLBACK when an error has aborted the transaction."""
        if await _driver(connection).execute("COMMIT") != "COMMIT":
            raise StorageError("cannot commit: an error has aborted the transaction before.")

    async def rollback(self, connection: AsyncConnection) -> None:
        """ROLLBACK."""
        await _driver(connection).execute("ROLLBACK")

    # -- running statements

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement; the driver prepares it once."""
        rows: Sequence[Any] = await _driver(connection).fetch(text, *parameters)
        return rows

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and read the number from what PostgreSQL says of it, such as `UPDATE 1`."""
        said: str = await _driver(connection).execute(text, *parameters)
        number = said.rpartition(" ")[2]
        return int(number) if number.isdigit() else 0

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Send all of them before waiting for the answers."""
        await _driver(connection).executemany(text, rows)

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Ask the driver."""
        return connection.invalidated or bool(_driver(connection).is_closed())

    # -- columns and statements

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind is kept; see `_CODECS`."""
        return _CODECS[kind]

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare as it is."""
        return column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select JSON as the text that was stored; SQLAlchemy's driver would parse it."""
        return type_cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column

    def counter(self, name: str) -> Column[Any]:
        """Use an identity column."""
        return Column(name, BigInteger(), Identity(always=True), primary_key=True)

    def position(self, name: str) -> Column[Any]:
        """Count positions up, concurrently."""
        return self.counter(name)

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
        """Two triggers with their functions: one refuses changes, one takes the lock that every appender holds."""
        name = table.name
        refuse = "RAISE EXCEPTION 'events are never changed or deleted';"
        lock = f"PERFORM pg_advisory_xact_lock_shared({LOCK}, TG_RELID::int); RETURN NULL;"
        return [
            *_trigger(name, "unchanged", "UPDATE OR DELETE OR TRUNCATE", refuse),
            *_trigger(name, "appending", "INSERT", lock),
        ]

    async def missing_guards(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look in `pg_trigger` for those that fire in an ordinary session."""
        found = await connection.exec_driver_sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgenabled IN ('O', 'A')", (table.name,)
        )
        present = {name for (name,) in found}
        return [name for name, _ in self.guards(table) if not name.endswith("()") and name not in present]

    async def indexes(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look in `pg_index`."""
        found = await connection.exec_driver_sql(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass($1)",
            (table.name,),
        )
        return [name for (name,) in found]

    def same_type(self, found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
        """Compare what the types are called in SQL; a collation is not reflected everywhere and does not count."""
        own: Any = postgresql_dialect()  # type: ignore[no-untyped-call]
        return found.compile(own).split(" COLLATE")[0] == wanted.compile(own).split(" COLLATE")[0]

    def now(self) -> ColumnElement[Any]:
        """Use `clock_timestamp`, which goes on."""
        return type_cast(extract("epoch", func.clock_timestamp()), Double())

    # -- the log

    def appender(self, database: Database, tables: Tables) -> Appender:
        """Append any number of events by one insert."""
        return ArrayInsert(database)

    def frontier(self, database: Database, tables: Tables) -> Frontier:
        """Tell positions that were rolled back from those that are yet to be committed."""
        return GapFrontier(database)

    async def announce(self, database: Database) -> None:
        """NOTIFY."""
        await announce(database)

    async def watch(self, database: Database, heard: Callable[[], None]) -> None:
        """LISTEN."""
        await watch(database, _driver, heard)

    # -- errors

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise errors of asyncpg, and of the network, which nobody wraps."""
        kinds = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
        return isinstance(error, kinds)

    def violated(self, error: BaseException) -> str | None:
        """Read `Key (column, ...)=(...) already exists.` and the table's name."""
        orig = getattr(error, "orig", error)
        if _code(orig) != "23505":
            return None
        driver: Any = getattr(orig, "driver_exception", orig)
        key = re.match(r"Key \((.*?)\)=", getattr(driver, "detail", None) or "")
        table = getattr(driver, "table_name", "")
        return ", ".join(f"{table}.{column}" for column in key[1].split(", ")) if key else str(table)

    def is_transient(self, error: BaseException | None) -> bool:
        """Say yes to deadlocks, serialisation failures, locks that did not come, and whatever concerns the connection."""
        lost = isinstance(error, (OSError, asyncpg.PostgresConnectionError)) or _was_lost(error)
        return lost or _TRANSIENT.fullmatch(_code(error)) is not None

    def is_refused_write(self, error: BaseException | None) -> bool:
        """Recognise `read_only_sql_transaction`."""
        return _code(error) == "25006"

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise an undefined table or column."""
        return _code(error) in _MISSING

    def is_unfit(self, error: BaseException | None) -> bool:
        """Say yes to data and integrity exceptions, to a row too large for an index, and to what the driver cannot write."""
        client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
        return client or _code(error)[:2] in ("22", "23") or _code(error) == "54000"


def _was_lost(error: BaseException | None) -> bool:
    """Recognise that a connection was lost before this statement, which was never sent."""
    if isinstance(error, asyncpg.InterfaceError):
        return "connection is closed" in str(error)
    # The server has said that it ends the session, and the driver has not yet seen the end.
    return isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)


def _trigger(table: str, name: str, action: str, body: str) -> Sequence[tuple[str, str]]:
    called, head = f"{table}_{name}", "RETURNS trigger LANGUAGE plpgsql AS"
    before = f"BEFORE {action} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {called}()"
    return [
        (f"{called}()", f"CREATE OR REPLACE FUNCTION {called}() {head} $$ BEGIN {body} END $$"),
        (called, f"CREATE OR REPLACE TRIGGER {called} {before}"),
    ]


def _driver(connection: AsyncConnection) -> Any:
    """Return asyncpg's own connection."""
    return cast(Connection, connection.sync_connection).connection.driver_connection


def _nothing() -> None:
    """End no turn."""


def _code(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise StorageError(
            f"cannot store {value.isoformat()}: it has no time zone, and PostgreSQL keeps moments. Give it one, such as UTC."
        )
    return value


def _uuid(value: UUID) -> UUID:
    """Return one of the class that everybody expects; asyncpg gives one of its own."""
    return UUID(int=value.int)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


_CODECS = {
    Kind.NAME: Codec(Text(collation="C"), plain=str),
    Kind.TEXT: Codec(Text(collation="C"), plain=str),
    Kind.INTEGER: Codec(BigInteger(), plain=int),
    Kind.BOOLEAN: Codec(Boolean(), plain=bool),
    Kind.FLOAT: Codec(Double(), plain=float),
    Kind.DECIMAL: Codec(Numeric(), plain=Decimal),
    Kind.DATETIME: Codec(DateTime(timezone=True), encode=_moment, decode=_utc),
    Kind.DATE: Codec(Date()),
    Kind.UUID: Codec(Uuid(), decode=_uuid),
    Kind.JSON: Codec(JSON()),
}
