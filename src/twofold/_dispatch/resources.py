"""The resources of one message, closed when its handler has ended."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio

from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction


class Resources:
    """A read transaction, and the objects of the user's container, of one message.

    Attributes:
        made: the objects of the container, by their provider.

    Args:
        store: the store of read models.
    """

    __slots__ = ("_exits", "_store", "_transaction", "made")

    def __init__(self, store: ReadStore) -> None:
        self.made: dict[Any, Any] = {}
        self._store = store
        self._transaction: ReadTransaction | None = None
        self._exits: AsyncExitStack | None = None

    async def transaction(self) -> ReadTransaction:
        """Return the transaction that only reads, begun at the first call."""
        if self._transaction is None:
            self._transaction = await self._store.begin(read_only=True)
        return self._transaction

    @property
    def exits(self) -> AsyncExitStack:
        """Context managers that are left when the handler has ended, the last one first."""
        if self._exits is None:
            self._exits = AsyncExitStack()
        return self._exits

    async def close(self, failure: BaseException | None) -> None:
        """End the transaction and leave the context managers, even if the task is cancelled.

        Args:
            failure: the error of the handler; passed to the context managers.
        """
        with anyio.CancelScope(shield=True):
            transaction, self._transaction = self._transaction, None
            if transaction is not None:
                await transaction.rollback()
            exits, self._exits = self._exits, None
            if exits is not None:
                await exits.__aexit__(
                    type(failure) if failure else None, failure, failure.__traceback__ if failure else None
                )
