"""One atomic step in memory: when it may read and write, its savepoints, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twofold.errors import ReadOnlyUnitOfWork, TwofoldError, UnitOfWorkClosed, UnitOfWorkDoomed

from ._overlay import Overlay
from ._tables import Tables


class Step:
    """A transaction as its parts see it. From its first write to its end no other transaction writes.

    Args:
        tables: the committed data.
        read_only: refuse to write, and read one state throughout.
    """

    __slots__ = ("_broken", "_ended", "_overlay", "_read_only", "_tables", "_writes")

    def __init__(self, tables: Tables, *, read_only: bool) -> None:
        self._tables = tables
        self._read_only = read_only
        self._overlay = Overlay(tables, frozen=read_only)
        self._writes = False
        self._broken: TwofoldError | None = None
        self._ended = False
        tables.readers += read_only

    def reading(self) -> Overlay:
        """Return the data that the transaction reads, unless an error has broken the transaction or it has ended."""
        if self._broken is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._broken).__name__} broke it ({self._broken}). Roll it back."
            ) from self._broken
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended.")
        return self._overlay

    async def writing(self) -> Overlay:
        """Return the data that the transaction changes, after waiting for other writing transactions."""
        overlay = self.reading()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write: this transaction is read only.")
        if not self._writes:
            await self._tables.turn.acquire()
            self._writes = True
        return overlay

    def broken(self, error: TwofoldError) -> TwofoldError:
        """Record that an error broke the transaction; return the error."""
        self._broken = error
        return error

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo the changes inside, and an error that broke the transaction inside, when an error leaves the block."""
        overlay = self.reading()
        mark = overlay.mark()
        try:
            yield
            self.reading()
        except BaseException:
            overlay.undo(mark)
            self._broken = None
            raise

    async def commit(self) -> None:
        """Make all changes visible in one step."""
        overlay = self.reading()
        if self._writes:
            self._tables.commit(overlay.appended, overlay.tagged, overlay.changes)
        await self.rollback()

    async def rollback(self) -> None:
        """Discard the uncommitted changes."""
        if not self._ended:
            self._ended = True
            self._tables.readers -= self._read_only
            if self._writes:
                self._tables.turn.release()
