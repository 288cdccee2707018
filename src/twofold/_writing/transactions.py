"""Transactions whose end nobody can forget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import anyio

from ..ports.transactions import Transaction

T = TypeVar("T", bound=Transaction)
T_co = TypeVar("T_co", bound=Transaction, covariant=True)


class Store(Protocol[T_co]):
    """A store that begins transactions: a write store or a read store."""

    async def begin(self) -> T_co:
        """Begin a transaction."""
        ...


@asynccontextmanager
async def writing(store: Store[T]) -> AsyncIterator[T]:
    """Begin a transaction and commit it at the end of the block. An error in the block rolls the transaction back.

    Raises:
        TransientFailure: the store is busy or unreachable. Nothing was begun.
        CommitFailed, CheckpointMoved: the commit failed, as `Transaction.commit` describes.
    """
    async with trial(store) as transaction:
        yield transaction
        await transaction.commit()


@asynccontextmanager
async def trial(store: Store[T]) -> AsyncIterator[T]:
    """Begin a transaction and roll it back at the end of the block, even if the task is cancelled.

    Raises:
        TransientFailure: the store is busy or unreachable. Nothing was begun.
    """
    transaction = await store.begin()
    try:
        yield transaction
    finally:
        with anyio.CancelScope(shield=True):
            await transaction.rollback()
