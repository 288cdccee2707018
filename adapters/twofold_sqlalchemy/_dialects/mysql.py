"""MariaDB 10.6 or MySQL 8.0.19 and later, through asyncmy: any number of readers and writers, but appends take turns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Column, ColumnElement, Double, Table, bindparam, func, literal_column, text
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

from twofold.errors import ConfigurationError, TransientFailure

from .._log.mysql import CommittedHead, CountedInsert
from . import Appender, Frontier, mysql_driver, mysql_types
from .fields import Codec, Kind
from .mysql_driver import Session, driver_of, end_session, run, run_many, session_of
from .mysql_errors import MySQLErrors
from .through import ThroughSqlAlchemy
from .uninterrupted import cancel_later, uninterrupted

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._schema.tables import Tables

_OLDEST: Final = {"MariaDB": (10, 6, 0), "MySQL": (8, 0, 19)}

_BEGIN: Final = {
    False: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
    True: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
}
"""About the next transaction, which the next statement begins. The first look is what one that only reads goes on to see."""

_SETTINGS: Final = (
    "SET SESSION innodb_lock_wait_timeout = {seconds}, "
    "sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_TRANS_TABLES')"
)

_ADOPTED: Final = "twofold_session"
"""Where the pool keeps the session of a connection that has our settings."""

_HOLDS_SCHEMA: Final = "twofold_schema"

_SCHEMA_LOCK: Final = "CONCAT('twofold_', MD5(DATABASE()))"
"""Such locks belong to the server; each database has one."""

_LEFT_ALONE: Final = "IF(LAST_INSERT_ID(1), {name}, {name})"
"""The number that comes back with the answer tells a row that was left alone from one that is new: both count as one row."""

_INDEX_BYTES: Final = 3072

_WRONG_TABLES: Final = """
SELECT table_name, 'is not kept by InnoDB' FROM information_schema.tables
WHERE table_schema = DATABASE() AND LEFT(table_name, 8) = 'twofold_' AND engine <> 'InnoDB'
UNION ALL
SELECT CONCAT(table_name, '.', column_name), CONCAT('has the collation ', collation_name) FROM information_schema.columns
WHERE table_schema = DATABASE() AND LEFT(table_name, 8) = 'twofold_' AND character_set_name = 'utf8mb4'
AND collation_name NOT IN ({collations})
"""


class MySQL(MySQLErrors, ThroughSqlAlchemy):
    """MariaDB or MySQL, through asyncmy.

    Args:
        busy_timeout: seconds to wait for a lock that another transaction holds.
    """

    def __init__(self, *, busy_timeout: float) -> None:
        self._settings = _SETTINGS.format(seconds=max(1, math.ceil(busy_timeout)))
        self._sessions: WeakKeyDictionary[AsyncConnection, Session] = WeakKeyDictionary()

    # -- transactions

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Use the engine as it is."""
        if engine.dialect.driver != "asyncmy":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for {engine.dialect.name}: use "
                f"{engine.dialect.name}+asyncmy://."
            )
        return engine

    def looking(self, engine: AsyncEngine) -> AsyncEngine:
        """Use the same: the pool rolls back what a look began."""
        return engine

    async def hold_schema(self, connection: AsyncConnection) -> None:
        """Take a lock by name, for each CREATE commits; `commit` and `rollback` give it back."""
        connection.info[_HOLDS_SCHEMA] = True
        ((got,),) = await self.fetch(connection, f"SELECT GET_LOCK({_SCHEMA_LOCK}, 60)", ())
        if not got:
            raise TransientFailure("cannot create the schema: after 60 s another process still does. Try again.")

    async def check(self, connection: AsyncConnection) -> None:
        """Look at the server, the connection and what is particular to our tables."""
        ((said,),) = await self.fetch(connection, "SELECT VERSION()", ())
        product = "MariaDB" if "MariaDB" in said else "MySQL"
        found = re.search(r"(\d+)\.(\d+)\.(\d+)(?:-MariaDB|(?!.*MariaDB))", said)
        if found is None or tuple(map(int, found.groups())) < _OLDEST[product]:
            oldest = " or ".join(f"{name} {'.'.join(map(str, version))}" for name, version in _OLDEST.items())
            raise ConfigurationError(f"cannot use {product} {said}: this adapter needs {oldest}, or later.")
        charset = driver_of(connection).character_set_name()
        if charset != "utf8mb4":
            raise ConfigurationError(
                f"cannot use this engine: its connections have the character set {charset}, which does not know every "
                "character. Leave it out of the engine's URL; utf8mb4 is the driver's own choice."
            )
        collations = ", ".join(f"'{name}'" for name in mysql_types.EXACT.values())
        wrong = await self.fetch(connection, _WRONG_TABLES.format(collations=collations), ())
        if wrong:
            raise ConfigurationError(
                f"cannot use this database: {'; '.join(f'{what} {why}' for what, why in wrong)}. The tables must be in "
                f"InnoDB, and their texts have the collation {' or '.join(mysql_types.EXACT.values())}."
            )
        log = dict(
            await self.fetch(connection, "SHOW VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format')", ())
        )
        if log == {"log_bin": "ON", "binlog_format": "STATEMENT"}:
            raise ConfigurationError(
                "cannot use this server: it writes a binary log of statements, which READ COMMITTED does not allow. Set "
                "binlog_format to MIXED or ROW."
            )

    async def take_turn(self) -> Callable[[], None]:
        """Do not wait: the database lets those wait who append."""
        return _nothing

    async def adopt(self, connection: AsyncConnection) -> None:
        """Give a connection our settings, once."""
        if _ADOPTED not in connection.info:
            await run(connection, self._settings)
            connection.info[_ADOPTED] = await session_of(connection)

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """READ COMMITTED for writing, guarded by versions; REPEATABLE READ, READ ONLY for reading one state."""
        self._sessions[connection] = connection.info[_ADOPTED]
        await run(connection, _BEGIN[read_only])
        if driver_of(connection).get_autocommit():
            await run(connection, "START TRANSACTION")

    async def give_back(self, connection: AsyncConnection) -> None:
        """Let the pool finish its ROLLBACK; it would log an error, and lose the connection, if it were cancelled there."""
        _, cancelled = await uninterrupted(connection.close())
        cancel_later(cancelled)

    async def commit(self, connection: AsyncConnection) -> None:
        """COMMIT; by SQLAlchemy where it knows of the transaction, because somebody executed something through it."""
        await (connection.commit() if connection.in_transaction() else mysql_driver.commit(connection))
        await self._release_schema(connection)

    async def rollback(self, connection: AsyncConnection) -> None:
        """ROLLBACK; where the connection is lost, the server is told to."""
        session = self._sessions.pop(connection, None)
        if not self.is_lost(connection):
            await (connection.rollback() if connection.in_transaction() else mysql_driver.rollback(connection))
            await self._release_schema(connection)
            return
        await connection.invalidate()
        await connection.close()
        if session is not None:
            await end_session(connection.engine, session)

    async def _release_schema(self, connection: AsyncConnection) -> None:
        if connection.info.pop(_HOLDS_SCHEMA, False):
            await run(connection, f"DO RELEASE_LOCK({_SCHEMA_LOCK})")

    # -- running statements

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows."""
        rows: Sequence[Any] = await (await run(connection, text, parameters)).fetchall()
        return rows

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return how many rows it matched; for `insert_new`, how many are new."""
        cursor = await run(connection, text, parameters)
        return 0 if "LAST_INSERT_ID" in text and cursor.lastrowid else cursor.rowcount

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each set of parameters, inserts for many at once."""
        await run_many(connection, text, rows)

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Ask the driver."""
        return mysql_driver.is_lost(connection)

    # -- columns and statements

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind is kept; see `mysql_types`."""
        return mysql_types.CODECS[kind]

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare decimals by the number beside their text."""
        return mysql_types.number_of(column) if kind is Kind.DECIMAL else column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select the column as it is."""
        return column

    def counter(self, name: str) -> Column[Any]:
        """AUTO_INCREMENT."""
        return Column(name, BigInteger(), primary_key=True, autoincrement=True)

    def position(self, name: str) -> Column[Any]:
        """Positions are counted in `twofold_meta`, so that none is left out."""
        return Column(name, BigInteger(), primary_key=True, autoincrement=False)

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return the counter of positions."""
        return [Column("head", BigInteger(), nullable=False, server_default=text("0"))]

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """InnoDB, whatever the server's default is; DYNAMIC takes indexes of 3,072 bytes."""
        options = {"engine": "InnoDB", "row_format": "DYNAMIC", "default_charset": "utf8mb4"}
        return {f"{name}_{option}": value for name in ("mysql", "mariadb") for option, value in options.items()}

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Index the beginnings of texts when there are too many of them to index them whole."""
        texts = [column.name for column in columns if isinstance(column.type, mysql_types.ExactName)]
        room = _INDEX_BYTES - 40 * len(columns)  # no other column takes more
        if not texts or len(texts) * 4 * mysql_types.LONGEST_NAME <= room:
            return {}
        lengths = dict.fromkeys(texts, room // 4 // len(texts))
        return {"mysql_length": lengths, "mariadb_length": lengths}

    def insert_new(self, table: Table) -> Insert:
        """ON DUPLICATE KEY UPDATE that changes nothing; IGNORE would hide other errors, too."""
        first = next(iter(table.columns))
        kept: ColumnElement[Any] = literal_column(_LEFT_ALONE.format(name=f"{table.name}.{first.name}"))
        return insert(table).on_duplicate_key_update({first.name: kept})

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """ON DUPLICATE KEY UPDATE with a condition on each column; they are assigned in their order, the guard last."""
        columns = [column for column in table.columns if column.computed is None]
        statement = insert(table).values({column.name: bindparam(column.name) for column in columns})
        new = statement.inserted
        newer = new[guard.name] >= guard
        changes: list[tuple[str, ColumnElement[Any]]] = [
            (column.name, func.IF(newer, new[column.name], column))
            for column in columns
            if column is not key and column is not guard
        ]
        changes.append((guard.name, func.GREATEST(guard, new[guard.name])))
        return statement.on_duplicate_key_update(changes)

    def guards(self, table: Table) -> Sequence[tuple[str, str]]:
        """Two triggers. TRUNCATE passes them by; it needs the right to drop the table."""
        return [(f"{table.name}_no_{action.lower()}", _guard(table.name, action)) for action in ("UPDATE", "DELETE")]

    async def missing_guards(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look for the triggers; an account without the right TRIGGER sees none.

        Asked by `trigger_schema`, MariaDB would open the table of this name in every database of the server.
        """
        found = await self.fetch(
            connection,
            "SELECT trigger_name FROM information_schema.triggers "
            "WHERE event_object_schema = DATABASE() AND event_object_table = %s",
            (table.name,),
        )
        present = {name for (name,) in found}
        return [name for name, _ in self.guards(table) if name not in present]

    async def indexes(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Look in `information_schema`."""
        found = await self.fetch(
            connection,
            "SELECT DISTINCT index_name FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            (table.name,),
        )
        return [name for (name,) in found]

    def same_type(self, found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
        """Compare what the types are called in SQL; the width that MariaDB shows of integers does not count."""
        return mysql_types.same_type(found, wanted)

    def now(self) -> ColumnElement[Any]:
        """Count from 1970 in UTC, whatever the session's time zone and its daylight saving time."""
        return literal_column("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)", Double())

    # -- the log

    def appender(self, database: Database, tables: Tables) -> Appender:
        """Count the positions in a row that is locked until the transaction ends."""
        return CountedInsert(database, tables)

    def frontier(self, database: Database, tables: Tables) -> Frontier:
        """Positions are committed in their order."""
        return CommittedHead(database, tables)


def _guard(table: str, action: str) -> str:
    trigger = f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} FOR EACH ROW"
    return f"{trigger} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events are never changed or deleted'"


def _nothing() -> None:
    """End no turn."""
