"""The differences between databases, as one dialect for each database. All other code is the same for every database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Column, ColumnElement, Insert, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from .codec import Codec, Kind
from .in_time import CLEANUP


class Connections(Protocol):
    """Connections, transactions, and statements, through the driver.

    Attributes:
        survives_fork: whether a forked process may connect while its parent has open connections.
    """

    survives_fork: bool

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Configure an engine, once for each engine. Return the engine to use, which has the same pool.

        Raises:
            ConfigurationError: the engine does not fit the database.
        """
        ...

    async def acquire_write_lock(self) -> Callable[[], None]:
        """Wait for the other writers of this process, where the database allows one. Return the function that releases.

        Raises:
            TransientFailure: the other writers did not end in time.
            ConfigurationError: this task already holds the lock.
        """
        ...

    async def configure(self, connection: AsyncConnection) -> str:
        """Configure a connection from the pool that was not configured before, or replace a broken one.

        Returns:
            A text that identifies the run of the connection's server. It differs after a restart, and on another server. The
            server is asked once for each connection, and for each use of a connection through a pooler.

        Raises:
            ConfigurationError: the engine does not open such connections.
        """
        ...

    def file(self) -> str:
        """Return what identifies the database's file at its path now; an empty text for a server."""
        ...

    async def prepare(self, connection: AsyncConnection) -> None:
        """Prepare a connection for statements of SQLAlchemy, which must not begin a transaction of its own."""
        ...

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """Begin a transaction. A read-only transaction reads one snapshot, and the database refuses writes in it."""
        ...

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit the transaction that `begin` started."""
        ...

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back the transaction that `begin` started."""
        ...

    async def discard(self, connection: AsyncConnection) -> None:
        """Close a connection when it is unknown whether `begin` started a transaction."""
        ...

    async def release(self, connection: AsyncConnection) -> None:
        """Return a connection to the pool, also if the server does not answer."""
        ...

    async def clean_up(self, connection: AsyncConnection) -> None:
        """Prepare a connection for `release` after a cancellation interrupted a read outside of a transaction."""
        ...

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows: sequences of values in the order of the columns."""
        ...

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return the number of rows that it matched."""
        ...

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each tuple of parameters."""
        ...

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return whether the connection is closed, although SQLAlchemy may not have noticed."""
        ...


class Columns(Protocol):
    """Types of columns, and options of tables and indexes."""

    def codec(self, kind: Kind) -> Codec:
        """Return how a kind of value is stored."""
        ...

    def counter(self, name: str) -> Column[Any]:
        """Return a primary key that the database increments. It never uses a number twice."""
        ...

    def position(self, name: str) -> Column[Any]:
        """Return the primary key of the event log."""
        ...

    def correlation_index(self, name: str) -> Sequence[SchemaItem]:
        """Return the index of the event log by correlation id, with the columns that only the index needs."""
        ...

    def correlation(self, metadata: Column[Any]) -> ColumnElement[Any]:
        """Return the expression of the correlation id in the column with the metadata of events, as the index has it."""
        ...

    def meta_columns(self) -> Sequence[Column[Any]]:
        """Return the columns that `twofold_meta` has on this database only. Each has a default."""
        ...

    def table_options(self, *, counted: bool = False) -> dict[str, Any]:
        """Return the options of a table. `counted`: the table has a `counter`."""
        ...

    def index_options(self, columns: Sequence[ColumnElement[Any]]) -> dict[str, Any]:
        """Return the options of an index of a view."""
        ...

    def same_type(self, found: str, wanted: TypeEngine[Any]) -> bool:
        """Return whether a column type of `Catalog.tables` is the type that was declared."""
        ...


class Sql(Protocol):
    """Statements and expressions that each database writes differently."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Return the expression that replaces a column or a bound value in comparisons and in ORDER BY."""
        ...

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the expression to select, so that the driver returns what the column's codec takes."""
        ...

    def any_time(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the expression to select a time that another program may have written, so that the driver does not fail."""
        ...

    def time_of(self, value: Any) -> datetime:
        """Return the time of a value of `any_time`.

        Raises:
            Exception: the value is not a time, or is out of range.
        """
        ...

    def now(self) -> ColumnElement[Any]:
        """Return the database's clock in seconds since 1970. The clock advances within a transaction."""
        ...

    def insert_new(self, table: Table) -> Insert:
        """Return an INSERT of all columns that skips rows which violate a unique constraint."""
        ...

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Return an INSERT that overwrites the row with the same key, unless the row's guard column is greater."""
        ...


class FoundTable(NamedTuple):
    """A table in the database.

    Attributes:
        columns: the SQL of each column's type, by the column's name.
        key: the columns of the primary key, in its order.
    """

    columns: Mapping[str, str]
    key: Sequence[str]


class Catalog(Protocol):
    """Reads metadata of the database and its tables, and creates the triggers that keep the event log append-only."""

    async def check(self, connection: AsyncConnection) -> None:
        """Check the server's version and settings.

        Raises:
            ConfigurationError: the server cannot be used.
        """
        ...

    async def lock(self, connection: AsyncConnection) -> None:
        """Block other processes that create the schema until this transaction ends."""
        ...

    async def tables(self, connection: AsyncConnection, names: Sequence[str]) -> Mapping[str, FoundTable]:
        """Return which of these tables and views exist, by name."""
        ...

    def triggers(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return name and SQL of each trigger, and each trigger function, that keeps a table append-only."""
        ...

    async def missing_triggers(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Return the names of the triggers that a table lacks, and of the functions, which end with `()`."""
        ...

    async def indexes(self, connection: AsyncConnection, tables: Sequence[Table]) -> Collection[tuple[str, str]]:
        """Return the indexes of tables: the name of the table, and the name of the index."""
        ...


class Errors(Protocol):
    """The meaning of the driver's errors."""

    def is_driver_error(self, error: BaseException) -> bool:
        """Return whether an error is the driver's own, not wrapped by SQLAlchemy."""
        ...

    def violated_constraint(self, error: BaseException) -> str | None:
        """Return the columns of the violated unique constraint, as `table.column, table.column`.

        A database that does not report the columns reports the constraint's name. None: the error is another one.
        """
        ...

    def is_transient(self, error: BaseException | None) -> bool:
        """Return whether the same work may succeed when it is repeated."""
        ...

    def is_refused_commit(self, error: BaseException) -> bool:
        """Return whether nothing was written: the database itself answered a COMMIT with this error, or it was never sent.

        After any other error the outcome is unknown: a timeout of the client, a lost connection, an unreadable answer,
        a server that shuts down.
        """
        ...

    def is_unsent(self, error: BaseException | None) -> bool:
        """Return whether a statement was not sent or not run, because the session had ended after the one before."""
        ...

    def is_read_only_error(self, error: BaseException | None) -> bool:
        """Return whether the database refused a write because the transaction is read-only."""
        ...

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Return whether a table or a column is missing."""
        ...

    def is_invalid_value(self, error: BaseException | None) -> bool:
        """Return whether a value cannot be stored: too large, malformed, or against a constraint."""
        ...

    def advice(self, error: BaseException | None) -> str:
        """Return a sentence that says how to fix an error whose text does not say so, or an empty text."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """The parts in which one database differs from the others. A dialect that is attached serves one engine.

    Attributes:
        name: the database: "sqlite", "postgresql" or "mysql", which includes MariaDB.
        connections: connections, transactions, and statements.
        columns: types of columns, and options of tables and indexes.
        sql: statements and expressions.
        catalog: the server's settings, triggers and indexes.
        errors: the meaning of the driver's errors.
        idle_transaction_timeout: seconds after which the server ends a session that idles in a transaction. None: the
            server's own setting.
        answer_timeout: seconds that the server may take for an answer. None: no limit.
    """

    name: str
    connections: Connections
    columns: Columns
    sql: Sql
    catalog: Catalog
    errors: Errors
    idle_transaction_timeout: float | None = None
    answer_timeout: float | None = None

    @property
    def cleanup_timeout(self) -> float | None:
        """Seconds that a rollback may take. None: no limit."""
        return None if self.answer_timeout is None else min(self.answer_timeout, CLEANUP)
