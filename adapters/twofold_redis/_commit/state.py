"""Whether a transaction can still be used."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from twofold.errors import ReadOnlyUnitOfWork, TwofoldError, UnitOfWorkClosed, UnitOfWorkDoomed

T = TypeVar("T")


class TransactionState:
    """Begun, then broken or not, then ended.

    Args:
        read_only: refuse to write.
    """

    def __init__(self, *, read_only: bool) -> None:
        self._read_only = read_only
        self._broken: BaseException | None = None
        self._ended = False

    def check(self) -> None:
        """Raise when the transaction was broken, or has ended."""
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended.")
        if self._broken is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._broken).__name__} broke it ({self._broken}). Roll it back."
            ) from self._broken

    def check_writable(self) -> None:
        """Raise when the transaction cannot write."""
        self.check()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write here: this transaction only reads.")

    async def guard(self, work: Awaitable[T]) -> T:
        """Await something of the store, whose failure breaks the transaction."""
        try:
            return await work
        except BaseException as error:
            self._broken = error
            raise

    def broken(self, error: TwofoldError) -> TwofoldError:
        """Note that this broke the transaction, and return it."""
        self._broken = error
        return error

    def end(self) -> None:
        """Let the transaction be over."""
        self._ended = True
