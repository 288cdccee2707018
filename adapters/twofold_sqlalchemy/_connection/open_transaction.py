"""An open transaction: its statements, its savepoints, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import CursorResult, Executable
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import (
    CommitFailed,
    ReadOnlyUnitOfWork,
    StorageError,
    TransientFailure,
    TwofoldError,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
)

from .._dialects.dialect import Dialect
from .._dialects.uninterrupted import cancel_later, uninterrupted
from .errors import hide_parameters, translated
from .statements import Statement

T = TypeVar("T")

Values: TypeAlias = Mapping[str, Any] | tuple[Any, ...]
"""The parameters of a statement, by name or in order."""


class UniqueViolation(Exception):
    """A unique constraint refused a row. The code that ran the statement translates it, so that users never see it.

    Attributes:
        columns: the columns of the constraint, as `table.column, table.column`; see `Errors.violated_constraint`.
    """

    def __init__(self, columns: str) -> None:
        self.columns = columns
        super().__init__(f"a row with the same {columns} exists")

    def as_error(self, action: str) -> StorageError:
        """Return the error for a constraint that has no meaning to Twofold."""
        return StorageError(
            f"cannot {action}: another row has the same {self.columns}, which must be unique. Store another value."
        )


class OpenTransaction:
    """An open transaction. A failure dooms it: every call except `rollback` raises.

    Args:
        connection: the connection, in which the transaction was begun.
        dialect: how the database differs from other databases.
        release_lock: called when the transaction has ended, so that another transaction may write.
        read_only: refuse writes before they reach the database.
    """

    def __init__(
        self, connection: AsyncConnection, dialect: Dialect, release_lock: Callable[[], None] | None, *, read_only: bool
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self._connections = dialect.connections
        self.read_only = read_only
        self._release_lock = release_lock
        self._doom: BaseException | None = None
        self._recoverable = False
        self._ended = False
        self._savepoints = 0
        self._mirrors: list[dict[Any, Any]] = []
        self.info: dict[str, Any] = {}

    async def fetch(self, statement: Statement, values: Values, action: str) -> Sequence[Any]:
        """Run a statement and return its rows: sequences of values in the order of the columns."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self.use(
            lambda connection: self._connections.fetch(connection, statement.text, parameters), action
        )

    async def change(self, statement: Statement, values: Values, action: str) -> int:
        """Run a statement and return how many rows it matched."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self.use(
            lambda connection: self._connections.change(connection, statement.text, parameters), action
        )

    async def change_many(self, statement: Statement, rows: Sequence[tuple[Any, ...]], action: str) -> None:
        """Run a statement once for each tuple of parameters."""
        await self.use(lambda connection: self._connections.change_many(connection, statement.text, rows), action)

    async def execute(self, statement: Executable, values: Any, action: str) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core on the user's tables, whose types convert their values."""
        return await self.use(lambda connection: connection.execute(statement, values), action)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Call a function with the connection. Any failure dooms the transaction.

        Raises:
            UniqueViolation: a unique constraint was violated.
            TwofoldError: the function failed otherwise.
        """
        self.check()
        try:
            return await work(self.connection)
        except Exception as error:
            columns = self.dialect.errors.violated_constraint(error)
            if columns is not None:
                hide_parameters(error)
                violation = UniqueViolation(columns)
                self.doom(violation, recoverable=True)
                raise violation from error
            failure = translated(error, action, self.dialect) if self._is_ours(error) else error
            self.doom(failure)
            if failure is error:
                raise
            raise failure from error
        except BaseException as error:
            self.doom(error)
            raise

    def _is_ours(self, error: Exception) -> bool:
        return isinstance(error, (SQLAlchemyError, OverflowError, UnicodeError)) or self.dialect.errors.is_driver_error(
            error
        )

    async def read_after_violation(self, statement: Executable, values: Any) -> Any:
        """Return the first value of a SELECT after a unique constraint refused a row.

        Return None if the database has aborted the transaction.
        """
        try:
            return (await self.connection.execute(statement, values)).scalar()
        except SQLAlchemyError:
            return None

    def check(self) -> None:
        """Raise an error if the transaction has ended or is doomed."""
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended. Begin another transaction.")
        if self._doom is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._doom).__name__} broke it before ({self._doom}). "
                "Roll back, and repeat the whole unit of work."
            ) from self._doom

    def check_writable(self, action: str) -> None:
        """Raise an error if the transaction has ended, is doomed, or is read-only."""
        self.check()
        if self.read_only:
            raise ReadOnlyUnitOfWork(
                f"cannot {action}: the transaction is read-only. Begin a transaction without read_only=True."
            )

    def doom(self, error: BaseException, *, recoverable: bool = False) -> None:
        """Refuse further calls. If `recoverable`, the rollback of a savepoint makes the transaction usable again."""
        if self._doom is None:
            self._doom, self._recoverable = error, recoverable

    def restore_on_rollback(self, memory: dict[Any, Any]) -> None:
        """Restore a dictionary when a savepoint is rolled back. The dictionary mirrors the database's content."""
        self._mirrors.append(memory)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Open a savepoint. Roll back to it if the block raises."""
        action = "use a savepoint"
        self._savepoints += 1
        name = f"twofold_{self._savepoints}"
        await self.change(Statement(f"SAVEPOINT {name}", ()), (), action)
        known = [dict(memory) for memory in self._mirrors]
        try:
            yield
            self.check()
        except BaseException:
            if not self._ended and (self._doom is None or self._recoverable):
                self._doom, self._recoverable = None, False
                undo = Statement(f"ROLLBACK TO SAVEPOINT {name}", ())
                _, cancelled = await uninterrupted(self.change(undo, (), action))
                cancel_later(cancelled)
                for memory in self._mirrors:
                    memory.clear()
                for memory, content in zip(self._mirrors, known, strict=False):
                    memory.update(content)
            raise
        await self.change(Statement(f"RELEASE SAVEPOINT {name}", ()), (), action)

    async def commit(self) -> None:
        """Commit. A COMMIT that was sent is awaited, and a cancellation meanwhile arrives at the next await.

        Raises:
            CommitFailed: the database refused and nothing is visible, or the text says that the outcome is unknown.
            TransientFailure: the database refused and nothing is visible. Repeating the unit of work may succeed.
        """
        self.check()
        outcome, cancelled = await uninterrupted(self._commit())
        cancel_later(cancelled)
        if outcome is not None:
            raise outcome

    async def _commit(self) -> TwofoldError | None:
        try:
            await self._connections.commit(self.connection)
        except Exception as error:  # noqa: BLE001 -- every error is translated to an outcome
            lost = self._is_lost(error)
            self.doom(error)
            await self._finish()
            failure = translated(error, "commit", self.dialect)
            if lost or not isinstance(failure, TransientFailure):
                outcome = (
                    "is unknown: the connection was lost. Read back before you repeat the unit of work"
                    if lost
                    else "is certain: nothing was written"
                )
                failure = CommitFailed(f"{failure} The outcome {outcome}.")
            failure.__cause__ = error
            return failure
        await self._finish(committed=True)
        return None

    def _is_lost(self, error: Exception) -> bool:
        return getattr(error, "connection_invalidated", False) or self._connections.is_lost(self.connection)

    async def rollback(self) -> None:
        """Roll back and return the connection to the pool, also while the task is being cancelled."""
        if self._ended:
            return
        _, cancelled = await uninterrupted(self._finish())
        if cancelled is not None:
            raise cancelled

    async def _finish(self, *, committed: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            if not committed:
                await self._connections.rollback(self.connection)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 -- any failure closes the connection
            # It is unknown whether the rollback succeeded. Closing the connection rolls back in any case.
            if not self.connection.closed:
                await self.connection.invalidate()
        finally:
            try:
                await self.connection.close()
            finally:
                if self._release_lock is not None:
                    self._release_lock()
