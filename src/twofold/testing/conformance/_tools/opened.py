"""Functions that open stores and transactions for a suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeAlias, TypeVar

from twofold._definitions.view import View
from twofold.ports import ReadStore, Transaction, WriteStore, WriteTransaction

NewStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store for some views; the fixture of every suite about write stores."""

NewReadStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[ReadStore]]
"""Opens an empty store that can hold read models. A `NewStore` is a `NewReadStore`."""

T_co = TypeVar("T_co", bound=Transaction, covariant=True)


class Begins(Protocol[T_co]):
    """A store that begins transactions."""

    async def begin(self, *, read_only: bool = False) -> T_co: ...


@asynccontextmanager
async def writing(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a transaction that commits at the end and rolls back if the block fails."""
    transaction = await store.begin()
    try:
        yield transaction
        await transaction.commit()
    finally:
        await transaction.rollback()


@asynccontextmanager
async def reading(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a read-only transaction."""
    transaction = await store.begin(read_only=True)
    try:
        yield transaction
    finally:
        await transaction.rollback()


@asynccontextmanager
async def undone(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a transaction that always rolls back."""
    transaction = await store.begin()
    try:
        yield transaction
    finally:
        await transaction.rollback()


@asynccontextmanager
async def failed_savepoint(transaction: WriteTransaction) -> AsyncIterator[None]:
    """Open a savepoint that fails at the end of the block. The transaction continues."""
    with suppress(_OnPurpose):
        async with transaction.savepoint():
            yield
            raise _OnPurpose
        raise AssertionError("the savepoint hid the error that left it")


class _OnPurpose(Exception):
    """The error that ends a savepoint."""
