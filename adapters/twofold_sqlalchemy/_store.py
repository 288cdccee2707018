"""The store: one database for the write side, the read side, or both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table
from sqlalchemy.ext.asyncio import AsyncEngine

from twofold import Aggregate, View
from twofold.errors import ConfigurationError, InvalidDefinition
from twofold.ports import without_content

from ._aggregates.json_state import JsonState
from ._aggregates.mapping import MappedState, TableMapping
from ._aggregates.orm import OrmState, mapper_of, missing_mapping
from ._connection.database import Database
from ._dialects.registry import dialect_of
from ._log.event_log import SqlEventLog
from ._log.registry import strategy_of
from ._log.strategy import LogEnd
from ._prepared import prepared_of
from ._records.processes import SqlProcessReader
from ._records.retention import SqlRetention
from ._records.schedule import SqlScheduleReader
from ._records.steps import SqlStepReader
from ._schema import schema as _schema
from ._subscriptions.parked import SqlParkedReader
from ._subscriptions.subscription_store import SqlSubscriptions
from ._transaction import SqlTransaction, State
from ._views.metadata import metadata

if TYPE_CHECKING:
    from ._migrations.store_migrations import SqlMigrations

_DAY = 86_400


class SqlAlchemy:
    """Store events, aggregates, read models and checkpoints in a SQL database, through SQLAlchemy.

        engine = create_async_engine("sqlite+aiosqlite:///orders.db")
        app = Application("orders", write=SqlAlchemy(engine, state={Order: OrderTables()}))

    The store runs on asyncio, on SQLite, PostgreSQL, MariaDB and MySQL. The caller creates and disposes of the engine, and
    several stores may share one engine. An aggregate that is not event-sourced is stored in the first of these ways that
    applies: by its `TableMapping`, by its mapping with SQLAlchemy's ORM, or as JSON in the table `twofold_state`.

    *SQLite* 3.35 and later, by `sqlite+aiosqlite://`:

    - The database is a file in WAL mode with `synchronous` FULL: a commit survives a power failure.
    - One transaction writes at a time. Writers of this process queue in order of arrival, and wait for other processes.
    - Reading transactions read one snapshot and block no other transaction. SQLite refuses writes in them.
    - Decimals are stored as texts, and compared exactly by a generated column: up to 35 digits before the decimal point and
      30 after it. Integers have 64 bits. Times are stored in UTC with microseconds. Times without a time zone are stored
      without one.

    *PostgreSQL* 14 and later, by `postgresql+asyncpg://`:

    - Transactions read, write and append concurrently. Writing transactions use READ COMMITTED. Reading transactions read
      one snapshot, and PostgreSQL refuses writes in them.
    - A reader of the event log waits at a missing position until no open transaction can fill it. It waits only for
      transactions that append; `health()` names them.
    - Workers are woken up by NOTIFY, on a separate connection.
    - A connection pooler, such as PgBouncer in transaction or session mode, is recognised at the first connection. Then
      statements are prepared each time, and readers poll, because a pooler delivers no notifications.
    - Texts are compared and sorted by code points. Decimals are exact. Times are stored in UTC with microseconds, and times
      without a time zone are refused.

    *MariaDB* 10.6, *MySQL* 8.0.19, and later, by `mariadb+asyncmy://` or `mysql+asyncmy://`:

    - Transactions read and write concurrently, but append one after another: the first append locks a counter until the
      transaction ends, so append last. Positions have no gaps, and readers skip no event.
    - Writing transactions use READ COMMITTED. A transaction that loses a deadlock is rolled back entirely and raises
      `TransientFailure`. Reading transactions read one snapshot, and the server refuses writes in them.
    - Texts are compared by every character and sorted by code points. A key, and a text in an index, has at most 380
      characters. Decimals are exact, with at most 35 digits before the decimal point and 30 after it. Times are stored in
      UTC with microseconds. Times without a time zone, NaN and infinity are refused.
    - A commit survives a power failure if `innodb_flush_log_at_trx_commit` is 1, the default.
    - The account needs the privilege TRIGGER, for `create_schema` and to verify the triggers of the event log.

    *Paused processes.* A process that is frozen or cut off from the network inside a transaction keeps its row locks.
    PostgreSQL and MariaDB end the session of a transaction that idles for `idle_transaction_timeout` between two
    statements, and roll it back. The paused process then gets `TransientFailure` from its next statement or COMMIT, and
    nothing was written. MySQL has no such timeout.

    *Cancellation.* A task that is cancelled in any call holds no transaction, connection or lock after `rollback`. A
    cancelled `begin` needs no rollback. A COMMIT that was sent is awaited, and the cancellation arrives at the next await.

    Args:
        engine: the engine. Twofold configures its connections, as described above.
        state: mappings of state-stored aggregates.
        busy_timeout: seconds to wait for another process that writes, before `TransientFailure`. On MariaDB and MySQL, whole
            seconds to wait for each lock of another transaction.
        queue_timeout: seconds to wait for writers of this process, before `TransientFailure`. SQLite only.
        idle_transaction_timeout: seconds that a transaction may idle between two statements, at most a day. PostgreSQL and
            MariaDB only; MariaDB counts whole seconds. It applies to every transaction on the engine's connections. A lower
            setting of the server, the account or the engine is kept. None keeps any setting.
        answer_timeout: seconds that a statement and its answer may take, at most a day, before `TransientFailure`; for a
            COMMIT, before `CommitUnknown`. The connection is closed. It applies to PostgreSQL, MariaDB and MySQL, and not to
            changes of the schema. None: no limit.

    Raises:
        ConfigurationError: the engine is not an asyncio engine, its database is not supported or is in memory, or a mapping
            does not fit its tables, or a timeout is out of range.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        state: Mapping[type[Any], TableMapping[Any]] | None = None,
        busy_timeout: float = 5.0,
        queue_timeout: float = 30.0,
        idle_transaction_timeout: float | None = 60.0,
        answer_timeout: float | None = 60.0,
    ) -> None:
        if not isinstance(engine, AsyncEngine):
            raise ConfigurationError(
                f"cannot create a SqlAlchemy store with {without_content(engine)}: the engine must be an AsyncEngine, such "
                "as create_async_engine('sqlite+aiosqlite:///orders.db')."
            )
        _check_timeout("idle_transaction_timeout", idle_transaction_timeout, "the server's own setting")
        _check_timeout("answer_timeout", answer_timeout, "no limit")
        dialect = dialect_of(
            engine.dialect.name,
            busy_timeout=busy_timeout,
            queue_timeout=queue_timeout,
            idle_transaction_timeout=idle_transaction_timeout,
            answer_timeout=answer_timeout,
        )
        self._prepared = prepared = prepared_of(engine, dialect)
        self._database = Database(engine, dialect, prepared.compiler)
        strategy = strategy_of(self._database, prepared.tables, prepared.tagged)
        self._appender, self._end = strategy.appender, LogEnd(strategy.frontier)
        self.log = SqlEventLog(self._database, prepared.tables, strategy, self._end, prepared.streams)
        self.subscriptions = SqlSubscriptions(self._database, prepared.subscriptions)
        self.parked = SqlParkedReader(self._database, prepared.parked)
        self.schedule = SqlScheduleReader(self._database, prepared.schedule)
        self.steps = SqlStepReader(self._database, prepared.steps)
        self.processes = SqlProcessReader(self._database, prepared.processes)
        self.keys = SqlRetention(self._database, prepared.old_keys)
        self.inbox = SqlRetention(self._database, prepared.old_messages)
        self._states: dict[type[object], State] = {
            aggregate_type: MappedState(aggregate_type, mapping) for aggregate_type, mapping in (state or {}).items()
        }

    def metadata(self, views: Sequence[type[View]]) -> MetaData:
        """Return the tables of views; see `twofold_sqlalchemy.metadata`."""
        return metadata(views, dialect=self._database.engine.dialect.name)

    @property
    def migrations(self) -> SqlMigrations:
        """The schema version of Twofold's own tables, and its upgrade; see `Migrations`.

        Raises:
            MissingDependency: Alembic is not installed.
        """
        from ._migrations.store_migrations import SqlMigrations  # only migrations need Alembic

        return SqlMigrations(self._database)

    async def open(self, views: Sequence[type[View]]) -> None:
        """Verify the tables.

        Raises:
            SchemaMissing: a table is missing or differs. The text lists every difference.
            ConfigurationError: the event loop is not asyncio's, or the database cannot be used.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise ConfigurationError(
                "cannot open a SqlAlchemy store on this event loop: the store requires asyncio."
            ) from error
        self._database.enter_loop()
        self.log.reset()
        await _schema.verify(self._database, self._prepared.tables, self._tables_of(views))

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Create missing tables, indexes and triggers in one transaction. Existing tables stay unchanged."""
        self._database.enter_loop()
        await _schema.create(self._database, self._prepared.tables, self._tables_of(views))

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Create the missing tables of shadow rows. Their names are the views' names with the suffix `__rebuild`."""
        await _schema.create(self._database, self._prepared.tables, self._tables_of(views, shadow=True))

    async def run(self) -> str:
        """Return what identifies the run of the database's server; see `ReadStore.run`. The server is not asked."""
        return self._database.run

    async def now(self) -> datetime:
        """Return the time of the database's clock; on SQLite, of the machine's."""
        return await self._database.now()

    async def close(self) -> None:
        """Do nothing: the caller that created the engine disposes of it."""

    async def disconnect(self) -> None:
        """Close the connections of the engine's pool that are not in use. The engine can be used again."""
        await self._database.disconnect()

    async def begin(self, *, read_only: bool = False) -> SqlTransaction:
        """Begin a transaction.

        Raises:
            TransientFailure: another writer did not end in time, or no connection was free. No transaction was begun.
            ConfigurationError: this task already has a writing transaction on SQLite.
        """
        transaction = await self._database.begin(read_only=read_only)
        return SqlTransaction(transaction, self._database, self._prepared, self._appender, self._end, self._state_of)

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None if the store can store aggregates of this type, otherwise a text that says what to do."""
        try:
            self._state_of(aggregate_type)
        except (ConfigurationError, InvalidDefinition) as error:
            return str(error)
        return None

    def _tables_of(self, views: Sequence[type[View]], *, shadow: bool = False) -> Sequence[Table]:
        return [self._prepared.view_table(view, shadow).table for view in views]

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
                f"cannot store {aggregate_type.__qualname__}: it is not an Aggregate. Pass a TableMapping to "
                f"SqlAlchemy(state={{{aggregate_type.__name__}: ...}}), or derive the class from Aggregate."
            )
        return JsonState(self._prepared.state, aggregate_type)


def _check_timeout(name: str, seconds: float | None, none: str) -> None:
    """Raise an error if an argument is out of range."""
    if seconds is not None and not 0 < seconds <= _DAY:
        raise ConfigurationError(
            f"SqlAlchemy({name}={seconds}): the timeout must be a positive number of seconds, at most {_DAY}, or None for "
            f"{none}."
        )
