"""Transactions that always end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol, TypeVar

import anyio

from ..errors import CommitUnknown, TwofoldError
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
        CommitFailed, CommitUnknown, CheckpointMoved: the commit failed, as `Transaction.commit` describes.
    """
    async with trial(store) as transaction:
        yield transaction
        await commit(transaction)


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


async def commit(transaction: Transaction) -> None:
    """Commit; see `unconfirmed` for the errors."""
    try:
        await transaction.commit()
    except Exception as error:  # noqa: BLE001 -- raised again
        unconfirmed(error)


def unconfirmed(error: Exception) -> NoReturn:
    """Raise the error of a commit. An error that the adapter does not know leaves the outcome unknown.

    Raises:
        CommitUnknown: the store did not confirm.
        TwofoldError: the store refused, or did not confirm.
    """
    if isinstance(error, TwofoldError):
        raise error
    raise CommitUnknown(
        f"the store did not confirm the commit ({type(error).__name__}: {error}). The outcome is unknown: everything "
        "was written, or nothing. Dispatch the command again with the same idempotency key, or read the data "
        "before you repeat the command."
    ) from error
