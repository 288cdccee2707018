"""The store: one database as write side, read side, or both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from twofold import Aggregate, View
from twofold.errors import ConfigurationError, InvalidDefinition

from ._aggregates.json_state import JsonState
from ._aggregates.mapping import MappedState, TableMapping
from ._aggregates.orm import OrmState, mapper_of, missing_mapping
from ._connection.database import Database
from ._dialects.registry import dialect_of
from ._log.event_log import SqlEventLog
from ._records.retention import SqlRetention
from ._records.schedule import SqlScheduleReader
from ._schema import schema as _schema
from ._schema.tables import own_tables
from ._subscriptions.parked import SqlParkedReader
from ._subscriptions.subscription_store import SqlSubscriptions
from ._transaction import Prepared, SqlTransaction, State
from ._views.metadata import metadata
from ._views.table import ViewTable


class SqlAlchemy:
    """Keep events, aggregates, read models and checkpoints in a SQL database, through SQLAlchemy.

        engine = create_async_engine("sqlite+aiosqlite:///orders.db")
        app = Application("orders", write=SqlAlchemy(engine, state={Order: OrderTables()}))

    It runs on asyncio, on SQLite, PostgreSQL, MariaDB and MySQL. You make the engine and you dispose of it; several stores
    may share one. An aggregate that is not event sourced is kept by the first of these that applies: the `TableMapping`
    given for it, its own mapping by SQLAlchemy's ORM, or JSON in the table `twofold_state`.

    *SQLite.* The database is a file in WAL mode, `synchronous` stays FULL: what is committed survives a power cut. Writing
    transactions take turns: those of this process queue in the order of arrival, those of other processes are waited for.
    Reading ones see one state, hold nobody up, and the database itself refuses to write in them. Decimals are kept as text,
    exactly; they are compared and sorted as floating-point numbers, that is by 15 significant digits. Integers have 64
    bits. Times are kept in UTC with microseconds; those without a zone stay without.

    *PostgreSQL* 14 and later, by `postgresql+asyncpg://`. Any number of transactions read, write and append at once; writing
    ones are READ COMMITTED, reading ones see one state and refuse writes. A reader of the log waits where a position is
    missing until nobody can fill it any more, for those who append and for nobody else; `health()` names whom. Workers are
    woken by NOTIFY, on a connection of its own. Texts are compared and sorted by code point. Decimals are exact, times are
    kept in UTC with microseconds, those without a zone are refused.

    *MariaDB* 10.6 and *MySQL* 8.0.19, and later, by `mysql+asyncmy://` or `mariadb+asyncmy://`. Any number of transactions
    read and write at once, except that appends take turns: the first append of a transaction locks a counter until it
    ends. So positions have no gaps, and no reader skips one; append last. Writing transactions are READ COMMITTED; one
    that is chosen to end a deadlock is gone as a whole, and `TransientFailure` says so. Reading ones see one state, and the
    database refuses to write in them. Texts are compared to the last character and sorted by code point. A key, and a text
    in an index, has up to 380 characters. Decimals come back as they were; they have up to 35 digits before the point and 30
    behind it, and are compared exactly. Times are kept in UTC with microseconds; those without a zone are refused, and so
    are NaN and infinity. The server keeps what was committed through a power cut as long as
    `innodb_flush_log_at_trx_commit` is 1, its default. The account needs the right TRIGGER: for `create_schema`, and to see
    that the log is guarded.

    *Cancellation.* A task that is cancelled in any call leaves no transaction, no connection and no turn behind once
    `rollback` was called; a cancelled `begin` leaves nothing to roll back. A COMMIT that was sent is waited for, and the
    cancellation arrives at the next await after it.

    Args:
        engine: the engine. Its connections get Twofold's settings (see above) from now on.
        state: mappings of state-stored aggregates.
        busy_timeout: seconds to wait for another process that writes, before `TransientFailure`; on MariaDB and MySQL for
            each lock of another transaction, in whole seconds.
        queue_timeout: seconds to wait for writers of this process, before `TransientFailure`.

    Raises:
        ConfigurationError: there is no engine on asyncio, it is of another database or in memory, or a mapping does not fit
            its tables.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        state: Mapping[type[Any], TableMapping[Any]] | None = None,
        busy_timeout: float = 5.0,
        queue_timeout: float = 30.0,
    ) -> None:
        if not isinstance(engine, AsyncEngine):
            raise ConfigurationError(
                f"cannot make a SqlAlchemy store of {engine!r:.100}: it takes an engine on asyncio, such as "
                "create_async_engine('sqlite+aiosqlite:///orders.db')."
            )
        dialect = dialect_of(engine.dialect.name, busy_timeout=busy_timeout, queue_timeout=queue_timeout)
        self._database = Database(engine, dialect)
        self._tables = tables = own_tables(dialect, MetaData())
        self._prepared = prepared = Prepared(self._database, tables)
        self.log = SqlEventLog(self._database, tables, prepared.log, prepared.streams)
        self.subscriptions = SqlSubscriptions(self._database, tables)
        self.parked = SqlParkedReader(self._database, prepared.parked)
        self.schedule = SqlScheduleReader(self._database, prepared.schedule)
        self.keys = SqlRetention(self._database, tables.keys)
        self.inbox = SqlRetention(self._database, tables.inbox)
        self._views: dict[tuple[type[View], bool], ViewTable[Any]] = {}
        self._states: dict[type[object], State] = {
            aggregate_type: MappedState(aggregate_type, mapping) for aggregate_type, mapping in (state or {}).items()
        }

    def metadata(self, views: Sequence[type[View]] = ()) -> MetaData:
        """Return all tables that this store needs for some views; see `twofold_sqlalchemy.metadata`."""
        return metadata(views, dialect=self._database.engine.dialect.name)

    async def open(self, views: Sequence[type[View]]) -> None:
        """Verify that the tables are there.

        Raises:
            SchemaMissing: one is missing or differs; the text names it and says what to call.
            ConfigurationError: this is not asyncio, or the database cannot serve.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise ConfigurationError("cannot open a SqlAlchemy store here: it runs on asyncio only.") from error
        self.log.forget()
        await _schema.verify(self._database, self._tables, [self._view_table(view).table for view in views])

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Create what is missing, in one transaction; leave alone what exists."""
        await _schema.create(self._database, self._tables, [self._view_table(view).table for view in views])

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Create the tables of shadow rows that are missing; they are called like the views, with `__rebuild` behind."""
        shadows = [self._view_table(view, shadow=True).table for view in views]
        await _schema.create(self._database, self._tables, shadows)

    async def close(self) -> None:
        """Do nothing: the engine is yours, and so is disposing of it."""

    async def begin(self, *, read_only: bool = False) -> SqlTransaction:
        """Begin a transaction.

        Raises:
            TransientFailure: another writer did not end in time, or no connection was free; nothing was begun.
            ConfigurationError: this task has a transaction open that writes.
        """
        link = await self._database.begin(read_only=read_only)
        return SqlTransaction(link, self._prepared, self._view_table, self._state_of)

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None when aggregates of this type can be kept, or what to do so that they can."""
        try:
            self._state_of(aggregate_type)
        except (ConfigurationError, InvalidDefinition) as error:
            return str(error)
        return None

    def _view_table(self, view: type[View], shadow: bool = False) -> ViewTable[Any]:
        found = self._views.get((view, shadow))
        if found is None:
            found = self._views[view, shadow] = ViewTable(view, self._database.dialect, MetaData(), shadow=shadow)
        return found

    def _state_of(self, aggregate_type: type[object]) -> State:
        found = self._states.get(aggregate_type)
        if found is None:
            found = self._states[aggregate_type] = self._unmapped_state(aggregate_type)
        return found

    def _unmapped_state(self, aggregate_type: type[object]) -> State:
        mapper = mapper_of(aggregate_type)
        if mapper is not None:
            missing = missing_mapping(mapper)
            if missing is not None:
                raise ConfigurationError(missing)
            return OrmState(mapper)
        if not issubclass(aggregate_type, Aggregate):
            raise ConfigurationError(
                f"cannot keep {aggregate_type.__qualname__}: it is no Aggregate. Pass a TableMapping of it to "
                f"SqlAlchemy(state={{{aggregate_type.__name__}: ...}}), or derive it from Aggregate."
            )
        return JsonState(self._database, self._tables, aggregate_type)
