"""One database: prepared statements, single reads, and new transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .._dialects.dialect import Dialect
from .._dialects.uninterrupted import uninterrupted
from .errors import translated
from .open_transaction import OpenTransaction
from .statements import Statement, compiled

T = TypeVar("T")


class Database:
    """One engine and its dialect.

    Args:
        engine: the user's engine.
        dialect: how the database differs from other databases.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self.engine = dialect.connections.attach(engine)
        self.dialect = dialect
        self._prepared: dict[object, Statement] = {}

    def prepare(self, statement: Executable) -> Statement:
        """Compile a statement."""
        return compiled(statement, self.engine)

    def prepared(self, key: object, make: Callable[[], Executable]) -> Statement:
        """Return the compiled statement of a key. `make` creates the statement on the first call.

        The key describes the statement's shape and never contains values, so that there are few keys.
        """
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) >= 1000:
                self._prepared.clear()
            found = self._prepared[key] = self.prepare(make())
        return found

    async def fetch(self, prepared: Statement, values: Mapping[str, Any], action: str) -> Sequence[Any]:
        """Run one select outside of any transaction.

        Args:
            prepared: the select.
            values: its parameters.
            action: the action, for the error message "cannot <action>": "read the log".
        """

        async def select(connection: AsyncConnection) -> Sequence[Any]:
            return await self.dialect.connections.fetch(connection, prepared.text, prepared.bind(values))

        return await self.use(select, action)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Call a function with a connection, for reads outside of a transaction. Each statement is on its own."""
        connection: AsyncConnection | None = None
        try:
            connection = await self.engine.connect()
            await self.dialect.connections.configure(connection)
            return await work(connection)
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
    async def writing(self) -> AsyncIterator[OpenTransaction]:
        """Begin a transaction. Commit it at the end of the block, or roll it back if the block raises."""
        transaction = await self.begin()
        try:
            yield transaction
            await transaction.commit()
        finally:
            await transaction.rollback()

    async def begin(self, *, read_only: bool = False) -> OpenTransaction:
        """Begin a transaction. An error or a cancellation meanwhile leaves no connection checked out and no lock held.

        Raises:
            TransientFailure: the database is busy or unreachable. No transaction was begun.
        """
        release_lock = None if read_only else await self.dialect.connections.acquire_write_lock()
        connection: AsyncConnection | None = None
        try:
            connection = await self.engine.connect()
            await self.dialect.connections.configure(connection)
            await self.dialect.connections.begin(connection, read_only=read_only)
            return OpenTransaction(connection, self.dialect, release_lock, read_only=read_only)
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
