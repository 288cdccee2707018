"""An open transaction: its statements, its savepoints, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import CursorResult, Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import (
    CommitFailed,
    CommitUnknown,
    ReadOnlyUnitOfWork,
    StorageError,
    TransactionIdled,
    TransientFailure,
    TwofoldError,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
)

from .._dialects.dialect import Dialect
from .._dialects.in_time import in_time
from .._dialects.uninterrupted import cancel_later, uninterrupted
from .errors import hide_parameters, translated
from .statements import Statement, written

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
        limit: seconds that a statement may take. None: no limit.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        dialect: Dialect,
        release_lock: Callable[[], None] | None,
        *,
        read_only: bool,
        limit: float | None,
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self._connections = dialect.connections
        self.read_only = read_only
        self._release_lock = release_lock
        self._limit = limit
        self._doom: BaseException | None = None
        self._recoverable = False
        self._ended = False
        self._savepoints = 0
        self._mirrors: list[dict[Any, Any]] = []
        self.info: dict[str, Any] = {}
        self._used = monotonic()

    async def fetch(self, statement: Statement, values: Values, action: str) -> Sequence[Any]:
        """Run a statement and return its rows: sequences of values in the order of the columns."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self._use(
            lambda connection: self._connections.fetch(connection, statement.text, parameters), action
        )

    async def change(self, statement: Statement, values: Values, action: str) -> int:
        """Run a statement and return how many rows it matched."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self._use(
            lambda connection: self._connections.change(connection, statement.text, parameters), action
        )

    async def change_many(self, statement: Statement, rows: Sequence[tuple[Any, ...]], action: str) -> None:
        """Run a statement once for each tuple of parameters."""
        await self._use(lambda connection: self._connections.change_many(connection, statement.text, rows), action)

    async def execute(self, statement: Executable, values: Any, action: str) -> CursorResult[Any]:
        """Run a statement of SQLAlchemy Core on the user's tables, whose types convert their values."""
        return await self.use(lambda connection: connection.execute(statement, values), action)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Call a function with the connection, which it may use with SQLAlchemy. Any failure dooms the transaction.

        Raises:
            UniqueViolation: a unique constraint was violated.
            TwofoldError: the function failed otherwise.
        """

        async def prepared(connection: AsyncConnection) -> T:
            await self._connections.prepare(connection)
            return await work(connection)

        return await self._use(prepared, action)

    async def _use(self, work: Callable[[AsyncConnection], Awaitable[T]], action: str) -> T:
        """Do the same for a function that calls the driver only."""
        self.check()
        try:
            result = await in_time(work(self.connection), self._limit)
            self._used = monotonic()
            return result
        except Exception as error:
            columns = self.dialect.errors.violated_constraint(error)
            if columns is not None:
                hide_parameters(error)
                violation = UniqueViolation(columns)
                self.doom(violation, recoverable=True)
                raise violation from error
            lost = self._connections.is_lost(self.connection)
            failure = self._translated(error, action, ended=lost) if self._is_ours(error) else error
            self.doom(failure)
            if failure is error:
                raise
            raise failure from error
        except BaseException as error:
            self.doom(error)
            raise

    def _translated(self, error: Exception, action: str, *, ended: bool = False) -> TwofoldError:
        """Return the failure of a statement, or of COMMIT, whose outcome is known only if it was not sent.

        Args:
            error: the error of the driver.
            action: the action, for the text.
            ended: whether the transaction is known to be over, without an effect.
        """
        found, limit = getattr(error, "orig", error), self.dialect.idle_transaction_timeout
        failure, idled = translated(error, action, self.dialect), monotonic() - self._used
        if limit is None or idled < limit or not (ended or self.dialect.errors.is_unsent(found)):
            return failure
        return TransactionIdled(
            f"cannot {action}: the server has ended the transaction, which idled for {idled:.1f} s between two statements. "
            f"The limit is SqlAlchemy(idle_transaction_timeout={limit:g}). Do slow work before the first access to the "
            "database, or raise the limit."
        )

    def _is_ours(self, error: Exception) -> bool:
        return isinstance(error, (SQLAlchemyError, OverflowError, UnicodeError)) or self.dialect.errors.is_driver_error(
            error
        )

    async def read_after_violation(self, statement: Executable, values: Any) -> Any:
        """Return the first value of a SELECT after a unique constraint refused a row.

        Return None if the database has aborted the transaction.
        """
        try:
            await self._connections.prepare(self.connection)
            return (await self.connection.execute(statement, values)).scalar()
        except SQLAlchemyError:
            return None

    def check(self) -> None:
        """Raise an error if the transaction has ended or is doomed."""
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended. Begin another transaction.")
        if self._doom is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._doom).__name__} broke it ({self._doom}). "
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
        await self.change(written(f"SAVEPOINT {name}", ()), (), action)
        known = [dict(memory) for memory in self._mirrors]
        try:
            yield
            self.check()
        except BaseException:
            if not self._ended and (self._doom is None or self._recoverable):
                self._doom, self._recoverable = None, False
                undo = written(f"ROLLBACK TO SAVEPOINT {name}", ())
                _, cancelled = await uninterrupted(self.change(undo, (), action))
                cancel_later(cancelled)
                for memory in self._mirrors:
                    memory.clear()
                for memory, content in zip(self._mirrors, known, strict=False):
                    memory.update(content)
            raise
        await self.change(written(f"RELEASE SAVEPOINT {name}", ()), (), action)

    async def commit(self) -> None:
        """Commit. A COMMIT that was sent is awaited. A cancellation during the COMMIT is raised at the next await."""
        self.check()
        outcome, cancelled = await uninterrupted(self._commit())
        cancel_later(cancelled)
        if outcome is not None:
            raise outcome

    async def _commit(self) -> TwofoldError | None:
        try:
            await in_time(self._connections.commit(self.connection), self._limit)
        except Exception as error:  # noqa: BLE001 -- every error is translated to an outcome
            found = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            refused = isinstance(error, TwofoldError) or self.dialect.errors.is_refused_commit(found)
            self.doom(error)
            await self._finish()
            failure = self._translated(error, "commit")
            if not refused:
                failure = CommitUnknown(
                    f"the database did not confirm a commit: {type(found).__name__}: {str(found) or 'no answer in time'}. "
                    "The outcome is unknown: everything was written, or nothing. Dispatch the command again with the same "
                    "idempotency key, or read the data before you repeat the command."
                )
            elif not isinstance(failure, TransientFailure):
                failure = CommitFailed(f"{failure} Nothing was written.")
            failure.__cause__ = error
            return failure
        await self._finish(committed=True)
        return None

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
                await in_time(self._connections.rollback(self.connection), self.dialect.cleanup_timeout)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 -- any failure closes the connection
            # It is unknown whether the rollback succeeded. Closing the connection rolls back in any case.
            if not self.connection.closed:
                await self.connection.invalidate()
        finally:
            try:
                await self._connections.release(self.connection)
            finally:
                if self._release_lock is not None:
                    self._release_lock()
