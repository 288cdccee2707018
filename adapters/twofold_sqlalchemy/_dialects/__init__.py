"""What differs between databases. Everything outside this package is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

from twofold.errors import ConfigurationError, MissingDependency
from twofold.ports import ExpectedVersion, NewEvent, Position, StoredEvent

from .fields import Codec, Kind

if TYPE_CHECKING:
    from .._connection.database import Database
    from .._connection.open_transaction import Link
    from .._schema.tables import Tables


class Appender(Protocol):
    """How events get into the log of one kind of database."""

    async def append(
        self, link: Link, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Sequence[StoredEvent] | int | None:
        """Append at least one event. When the stream is not as expected: its version, or None to have it looked up.

        Raises:
            Refused: a unique constraint of the log refused a row.
        """
        ...


class Frontier(Protocol):
    """How far the log can be read now, without skipping an event that has yet to be committed."""

    async def head(self) -> Position:
        """Return the position up to which every event is committed, or never will be; see `EventLog.head`."""
        ...

    async def holding_back(self) -> Sequence[str]:
        """Say which transactions it waits for; see `EventLog.holding_back`."""
        ...


class Dialect(Protocol):
    """How one kind of database does what the others do differently. One instance serves one engine."""

    # -- transactions

    def looking(self, engine: AsyncEngine) -> AsyncEngine:
        """Return the engine, of the same pool, for single statements that only look."""
        ...

    async def hold_schema(self, connection: AsyncConnection) -> None:
        """Let others who create the schema wait until this transaction ends."""
        ...

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Add what the engine's connections need, once an engine; return the engine to use, of the same pool.

        Raises:
            ConfigurationError: this engine cannot be served.
        """
        ...

    async def check(self, connection: AsyncConnection) -> None:
        """Look whether the database itself can serve.

        Raises:
            ConfigurationError: it cannot.
        """
        ...

    async def take_turn(self) -> Callable[[], None]:
        """Wait until the other writers of this process let this one write; return what ends the turn.

        Raises:
            TransientFailure: it took too long.
            ConfigurationError: this task has a turn already.
        """
        ...

    async def adopt(self, connection: AsyncConnection) -> None:
        """Make sure that a connection from the pool has what `attach` gives to new ones.

        Raises:
            ConfigurationError: the engine does not give such connections.
        """
        ...

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """Begin a transaction that sees one state and, when it is read only, in which the database refuses writes."""
        ...

    async def give_back(self, connection: AsyncConnection) -> None:
        """Give a connection back that only looked."""
        ...

    async def cut_short(self, connection: AsyncConnection) -> None:
        """Take care of a connection that only looked, before it is given back, because its statement was cancelled."""
        ...

    async def discard(self, connection: AsyncConnection) -> None:
        """Give a connection back of which nobody knows whether `begin` began something."""
        ...

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit what `begin` began."""
        ...

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back what `begin` began."""
        ...

    # -- running statements

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows: sequences of values in the order of the columns."""
        ...

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return how many rows it matched."""
        ...

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each set of parameters."""
        ...

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return whether the connection is dead and SQLAlchemy does not know it."""
        ...

    # -- columns and statements

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind of value is kept."""
        ...

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Return what stands for a column or a bound value in comparisons and orders."""
        ...

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return what to select so that the driver gives what the column's codec takes."""
        ...

    def counter(self, name: str) -> Column[Any]:
        """Return a primary key that the database counts up, never giving a number twice."""
        ...

    def position(self, name: str) -> Column[Any]:
        """Return the primary key of the log."""
        ...

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return the columns that `twofold_meta` has on this kind of database only; they have a default."""
        ...

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Return the options of a table, `counted` when the database counts up its key."""
        ...

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Return the options of an index of a view."""
        ...

    def insert_new(self, table: Table) -> Insert:
        """Return an insert of all columns that leaves alone rows which break a unique constraint."""
        ...

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Return an insert that overwrites the row of the same key unless its guard column is greater than the new one."""
        ...

    def guards(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return name and SQL of what makes the database refuse to change or delete rows of a table."""
        ...

    async def missing_guards(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Return the names of the guards that a table lacks."""
        ...

    async def indexes(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Return the names of the indexes that a table has."""
        ...

    def same_type(self, found: TypeEngine[Any], wanted: TypeEngine[Any]) -> bool:
        """Return whether a reflected column type is the one that was asked for."""
        ...

    def now(self) -> ColumnElement[Any]:
        """Return the time by the database's clock, in seconds since 1970, as it goes on within a transaction."""
        ...

    # -- the log

    def appender(self, database: Database, tables: Tables) -> Appender:
        """Return how events are appended."""
        ...

    def frontier(self, database: Database, tables: Tables) -> Frontier:
        """Return how far the log can be read."""
        ...

    async def announce(self, database: Database) -> None:
        """Notification to other processes; see `EventLog.announce`."""
        ...

    async def watch(self, database: Database, heard: Callable[[], None]) -> None:
        """Hear the notifications of other processes; see `EventLog.watch`."""
        ...

    # -- errors

    def is_driver_error(self, error: BaseException) -> bool:
        """Return whether an error is the driver's own, not wrapped by SQLAlchemy."""
        ...

    def violated(self, error: BaseException) -> str | None:
        """Return the columns of the unique constraint that an error is about, as `table.column, table.column`."""
        ...

    def is_transient(self, error: BaseException | None) -> bool:
        """Return whether the same work may succeed when it is done again."""
        ...

    def is_refused_write(self, error: BaseException | None) -> bool:
        """Return whether the database refused because the transaction is read only."""
        ...

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Return whether a table or a column is missing."""
        ...

    def is_unfit(self, error: BaseException | None) -> bool:
        """Return whether it is a value that cannot be kept: too large, of a wrong form, or against a constraint."""
        ...

    def advice(self, error: BaseException | None) -> str:
        """Return a sentence on what to do about an error whose text does not say, or nothing."""
        ...


def dialect_of(name: str, *, busy_timeout: float = 5.0, queue_timeout: float = 30.0) -> Dialect:
    """Return a dialect by SQLAlchemy's name of it.

    Raises:
        ConfigurationError: there is none of that name.
        MissingDependency: its driver is not installed.
    """
    if name not in _DRIVERS:
        raise ConfigurationError(
            f"cannot keep anything in {name!r}: twofold_sqlalchemy works with {', '.join(_DRIVERS)}. "
            "Make the engine with create_async_engine('sqlite+aiosqlite:///orders.db')."
        )
    driver, extra = _DRIVERS[name]
    if find_spec(driver) is None:
        raise MissingDependency(f"pip install 'twofold[{extra}]'")
    if name == "sqlite":
        from .sqlite import Sqlite

        return Sqlite(busy_timeout=busy_timeout, queue_timeout=queue_timeout)
    if name == "postgresql":
        from .postgresql import PostgreSQL

        return PostgreSQL()
    from .mysql import MySQL

    return MySQL(busy_timeout=busy_timeout)


_DRIVERS = {
    "sqlite": ("aiosqlite", "sqlite"),
    "postgresql": ("asyncpg", "postgresql"),
    "mariadb": ("asyncmy", "mysql"),
    "mysql": ("asyncmy", "mysql"),
}
"""The databases: SQLAlchemy's name, the driver, and the extra that installs it."""
