"""The state of a transaction: open, broken or ended."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from twofold.errors import ReadOnlyUnitOfWork, TwofoldError, UnitOfWorkClosed, UnitOfWorkDoomed

T = TypeVar("T")


class TransactionState:
    """Raises an error when a transaction is used that is broken, has ended, or cannot write.

    Args:
        read_only: refuse every write.
    """

    def __init__(self, *, read_only: bool) -> None:
        self._read_only = read_only
        self._broken: BaseException | None = None
        self._ended = False

    def check(self) -> None:
        """Raise an error if the transaction is broken or has ended."""
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended.")
        if self._broken is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._broken).__name__} broke it ({self._broken}). Roll it back."
            ) from self._broken

    def check_writable(self) -> None:
        """Raise an error if the transaction cannot write."""
        self.check()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write here: this transaction only reads.")

    async def guard(self, work: Awaitable[T]) -> T:
        """Await a call to the store. A failure breaks the transaction."""
        try:
            return await work
        except BaseException as error:
            self._broken = error
            raise

    def broken(self, error: TwofoldError) -> TwofoldError:
        """Mark the transaction as broken by an error, and return the error."""
        self._broken = error
        return error

    def end(self) -> None:
        """Mark the transaction as ended."""
        self._ended = True
