"""One database: single reads, and new transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twofold.errors import ConfigurationError
from twofold.ports import after_fork

from .._dialects.dialect import Dialect
from .._dialects.in_time import in_time
from .._dialects.uninterrupted import uninterrupted
from .compiler import Compiler
from .errors import translated
from .open_transaction import OpenTransaction
from .statements import Statement

T = TypeVar("T")


class Database:
    """One engine and its dialect.

    Args:
        engine: the user's engine.
        dialect: how the database differs from other databases.
        compiler: compiles the statements of the engine.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect, compiler: Compiler) -> None:
        self.engine = dialect.connections.attach(engine)
        self.dialect = dialect
        self.compiler = compiler
        self._now = compiler.prepared("now", lambda: select(dialect.sql.now()))
        self._server_run = ""
        self._runs = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._broken_by_fork = False
        after_fork(self, Database._forget)

    def enter_loop(self) -> None:
        """Note the running event loop. Drop the pooled connections of another loop, which cannot be used in this one.

        Raises:
            ConfigurationError: the parent process had a SQLite database open at the fork.
        """
        loop = asyncio.get_running_loop()
        if self._broken_by_fork:
            raise ConfigurationError(
                f"cannot open {self.dialect.name} in this process: its parent process had the database open at the fork, "
                "which SQLite does not permit. Make the first call after the fork, or call app.sync.close() before it."
            )
        if self._loop is not None and self._loop is not loop:
            self.engine.sync_engine.dispose(close=False)
        self._loop = loop

    async def disconnect(self) -> None:
        """Close the connections that are not in use."""
        await self.engine.dispose()
        self._loop = None

    def _forget(self) -> object:
        """Forget the pool of the parent process, and return it."""
        of_parent = (self.engine.sync_engine.pool, self._loop)
        self._broken_by_fork = self._loop is not None and not self.dialect.connections.survives_fork
        self.engine.sync_engine.dispose(close=False)
        self._loop = None
        return of_parent

    @property
    def run(self) -> str:
        """The current run of the server; see `ReadStore.run`. It changes when a connection of another run is used."""
        return f"{self._runs}{self.dialect.connections.file()}"

    def change_run(self) -> None:
        """Let `run` change: the database contains less than it did before."""
        self._runs += 1

    async def now(self) -> datetime:
        """Return the time of the database's clock."""
        ((seconds,),) = await self.fetch(self._now, {}, "read the clock")
        return datetime.fromtimestamp(seconds, UTC)

    async def fetch(self, prepared: Statement, values: Mapping[str, Any], action: str) -> Sequence[Any]:
        """Run one select outside of any transaction.

        Args:
            prepared: the select.
            values: its parameters.
            action: the action, for the error message "cannot <action>": "read the log".
        """

        async def read(connection: AsyncConnection) -> Sequence[Any]:
            return await self.dialect.connections.fetch(connection, prepared.text, prepared.bind(values))

        return await self.use_driver(read, action)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Call a function with a connection, for reads outside of a transaction. Each statement is on its own."""

        async def prepared(connection: AsyncConnection) -> T:
            await self.dialect.connections.prepare(connection)
            return await work(connection)

        return await self.use_driver(prepared, action)

    async def use_driver(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Do the same as `use` for a function that calls `Connections.fetch` only."""
        connection: AsyncConnection | None = None
        try:
            connection = await in_time(self._connected(), self.dialect.answer_timeout)
            return await in_time(work(connection), self.dialect.answer_timeout)
        except Exception as error:
            if connection is not None and (
                self.dialect.connections.is_lost(connection) or self.dialect.errors.is_transient(error)
            ):
                await connection.invalidate()
            if self.dialect.errors.is_driver_error(error) or isinstance(error, SQLAlchemyError):
                raise translated(error, action, self.dialect) from error
            raise
        except asyncio.CancelledError:
            if connection is not None:
                await self.dialect.connections.clean_up(connection)
            raise
        finally:
            if connection is not None:
                await self.dialect.connections.release(connection)

    @asynccontextmanager
    async def writing(self, *, limited: bool = True) -> AsyncIterator[OpenTransaction]:
        """Begin a transaction. Commit it at the end of the block, or roll it back if the block raises."""
        transaction = await self.begin(limited=limited)
        try:
            yield transaction
            await transaction.commit()
        finally:
            await transaction.rollback()

    async def begin(self, *, read_only: bool = False, limited: bool = True) -> OpenTransaction:
        """Begin a transaction. After an error or a cancellation, no connection is checked out and no lock is held.

        Args:
            read_only: the transaction only reads.
            limited: statements must end within the `answer_timeout`. Changes of the schema may take longer.

        Raises:
            TransientFailure: the database is busy or unreachable. No transaction was begun.
        """
        release_lock = None if read_only else await self.dialect.connections.acquire_write_lock()
        connection: AsyncConnection | None = None
        try:
            connection = await in_time(self._connected(), self.dialect.answer_timeout)
            begun = self.dialect.connections.begin(connection, read_only=read_only)
            await in_time(begun, self.dialect.answer_timeout)
            limit = self.dialect.answer_timeout if limited else None
            return OpenTransaction(connection, self.dialect, release_lock, read_only=read_only, limit=limit)
        except BaseException as error:
            try:
                if connection is not None:
                    await uninterrupted(self.dialect.connections.discard(connection))
            finally:
                if release_lock is not None:
                    release_lock()
            if self.dialect.errors.is_driver_error(error) or isinstance(error, SQLAlchemyError):
                raise translated(error, "begin a transaction", self.dialect) from error
            raise

    async def _connected(self) -> AsyncConnection:
        """Check a connection out of the pool, configured, and note the run of its server."""
        connection = await self.engine.connect()
        try:
            run = await self.dialect.connections.configure(connection)
        except BaseException:
            await uninterrupted(self.dialect.connections.discard(connection))
            raise
        if run != self._server_run:
            self._server_run = run
            self._runs += 1
        return connection
