"""How a suite opens stores and transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeAlias, TypeVar

from twofold._definitions.view import View
from twofold.ports import ReadStore, Transaction, WriteStore, WriteTransaction

NewStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store that is ready for some views; the fixture that every suite asks for."""

NewReadStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[ReadStore]]
"""The same where a store that only reads models are kept in will do. A `NewStore` is one."""

T_co = TypeVar("T_co", bound=Transaction, covariant=True)


class Begins(Protocol[T_co]):
    """A store, by its transactions."""

    async def begin(self, *, read_only: bool = False) -> T_co: ...


@asynccontextmanager
async def writing(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a transaction that is committed at the end, and rolled back when the block fails."""
    transaction = await store.begin()
    try:
        yield transaction
        await transaction.commit()
    finally:
        await transaction.rollback()


@asynccontextmanager
async def reading(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a transaction that only reads."""
    transaction = await store.begin(read_only=True)
    try:
        yield transaction
    finally:
        await transaction.rollback()


@asynccontextmanager
async def undone(store: Begins[T_co]) -> AsyncIterator[T_co]:
    """Open a transaction whose writes are rolled back in any case."""
    transaction = await store.begin()
    try:
        yield transaction
    finally:
        await transaction.rollback()


@asynccontextmanager
async def failed_savepoint(transaction: WriteTransaction) -> AsyncIterator[None]:
    """Open a savepoint that is left by an error, whatever happens inside; the transaction goes on."""
    with suppress(_OnPurpose):
        async with transaction.savepoint():
            yield
            raise _OnPurpose
        raise AssertionError("the savepoint hid the error that left it")


class _OnPurpose(Exception):
    """What leaves a savepoint."""
