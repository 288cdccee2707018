"""One transaction on one connection: what may run in it, and how it ends."""

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
"""The parameters of a statement, by name or in their order."""


class Refused(Exception):
    """A unique constraint refused a row. Whoever wrote it says what that means; outside it is never seen.

    Attributes:
        columns: the columns of the constraint, as `table.column, table.column`.
    """

    def __init__(self, columns: str) -> None:
        self.columns = columns
        super().__init__(f"a row with the same {columns} exists")

    def explained(self, attempt: str) -> StorageError:
        """Return the error for a constraint that means nothing particular to Twofold."""
        return StorageError(f"cannot {attempt}: another row has the same {self.columns}, which must be unique.")


class Link:
    """A transaction that was begun. After a failure it is doomed: everything but `rollback` raises.

    Args:
        connection: the connection, checked out and in the transaction.
        dialect: what its database does differently.
        end_turn: called when the transaction has ended and another may write.
        read_only: refuse writes here already.
    """

    def __init__(
        self, connection: AsyncConnection, dialect: Dialect, end_turn: Callable[[], None] | None, *, read_only: bool
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self._connections = dialect.connections
        self.read_only = read_only
        self._end_turn = end_turn
        self._doom: BaseException | None = None
        self._mendable = False
        self._ended = False
        self._savepoints = 0
        self._memories: list[dict[Any, Any]] = []
        self.info: dict[str, Any] = {}

    async def fetch(self, statement: Statement, values: Values, attempt: str) -> Sequence[Any]:
        """Run a statement and return its rows: sequences of values in the order of the columns."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self.use(
            lambda connection: self._connections.fetch(connection, statement.text, parameters), attempt
        )

    async def change(self, statement: Statement, values: Values, attempt: str) -> int:
        """Run a statement and return how many rows it matched."""
        parameters = values if isinstance(values, tuple) else statement.bind(values)
        return await self.use(
            lambda connection: self._connections.change(connection, statement.text, parameters), attempt
        )

    async def change_many(self, statement: Statement, rows: Sequence[tuple[Any, ...]], attempt: str) -> None:
        """Run a statement once for each set of parameters."""
        await self.use(lambda connection: self._connections.change_many(connection, statement.text, rows), attempt)

    async def execute(self, statement: Executable, values: Any, attempt: str) -> CursorResult[Any]:
        """Run a statement of Core on tables of the user, whose types convert their values."""
        return await self.use(lambda connection: connection.execute(statement, values), attempt)

    async def use(self, work: Callable[[AsyncConnection], Awaitable[T]], attempt: str) -> T:
        """Do something with the connection; any failure dooms the transaction.

        Raises:
            Refused: a unique constraint was violated.
            TwofoldError: something else failed.
        """
        self.check()
        try:
            return await work(self.connection)
        except Exception as error:
            columns = self.dialect.errors.violated(error)
            if columns is not None:
                hide_parameters(error)
                refused = Refused(columns)
                self.doom(refused, mendable=True)
                raise refused from error
            failure = translated(error, attempt, self.dialect) if self._is_ours(error) else error
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

    async def look_after_refusal(self, statement: Executable, values: Any) -> Any:
        """Return the first value of a select after a constraint refused a row; None where the database ended it all."""
        try:
            return (await self.connection.execute(statement, values)).scalar()
        except SQLAlchemyError:
            return None

    def check(self) -> None:
        """Raise when nothing may run any more."""
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended. Begin another one.")
        if self._doom is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._doom).__name__} broke it before ({self._doom}). "
                "Roll it back and repeat the whole unit of work."
            ) from self._doom

    def check_writable(self, attempt: str) -> None:
        """Raise when nothing may be written."""
        self.check()
        if self.read_only:
            raise ReadOnlyUnitOfWork(
                f"cannot {attempt}: the transaction is read only. Begin one without read_only=True."
            )

    def doom(self, error: BaseException, *, mendable: bool = False) -> None:
        """Let nothing more run. A mendable doom ends with the savepoint in which it came."""
        if self._doom is None:
            self._doom, self._mendable = error, mendable

    def remember(self, memory: dict[Any, Any]) -> None:
        """Put a dictionary back as it was when a savepoint is undone; it says what the database holds."""
        self._memories.append(memory)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what was done inside when it is left by an error."""
        attempt = "use a savepoint"
        self._savepoints += 1
        name = f"twofold_{self._savepoints}"
        await self.change(Statement(f"SAVEPOINT {name}", ()), (), attempt)
        known = [dict(memory) for memory in self._memories]
        try:
            yield
            self.check()
        except BaseException:
            if not self._ended and (self._doom is None or self._mendable):
                self._doom, self._mendable = None, False
                undo = Statement(f"ROLLBACK TO SAVEPOINT {name}", ())
                _, cancelled = await uninterrupted(self.change(undo, (), attempt))
                cancel_later(cancelled)
                for memory in self._memories:
                    memory.clear()
                for memory, content in zip(self._memories, known, strict=False):
                    memory.update(content)
            raise
        await self.change(Statement(f"RELEASE SAVEPOINT {name}", ()), (), attempt)

    async def commit(self) -> None:
        """Commit. Once COMMIT is on its way its outcome is awaited, and a cancellation is let through after that.

        Raises:
            CommitFailed: the database refused; nothing is visible, unless the text says that the outcome is unknown.
            TransientFailure: the database refused and doing it all again may help; nothing is visible.
        """
        self.check()
        outcome, cancelled = await uninterrupted(self._commit())
        cancel_later(cancelled)
        if outcome is not None:
            raise outcome

    async def _commit(self) -> TwofoldError | None:
        try:
            await self._connections.commit(self.connection)
        except Exception as error:  # noqa: BLE001  # whatever it is, the outcome has to be told
            lost = self._is_lost(error)
            self.doom(error)
            await self._finish()
            failure = translated(error, "commit", self.dialect)
            if lost or not isinstance(failure, TransientFailure):
                told = (
                    "is unknown: the connection was lost. Read back before you repeat it"
                    if lost
                    else "is certain: nothing was written"
                )
                failure = CommitFailed(f"{failure} The outcome {told}.")
            failure.__cause__ = error
            return failure
        await self._finish(committed=True)
        return None

    def _is_lost(self, error: Exception) -> bool:
        return getattr(error, "connection_invalidated", False) or self._connections.is_lost(self.connection)

    async def rollback(self) -> None:
        """Undo everything and give the connection back. It also finishes while the task is being cancelled."""
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
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 -- whatever it is, the connection is closed
            # The connection cannot say that it rolled back: it is closed, which rolls back for certain.
            if not self.connection.closed:
                await self.connection.invalidate()
        finally:
            try:
                await self.connection.close()
            finally:
                if self._end_turn is not None:
                    self._end_turn()
