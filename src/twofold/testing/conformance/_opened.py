"""How a suite comes by stores and transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeAlias

from ..._view import View
from ...ports import WriteStore, WriteTransaction

NewStore: TypeAlias = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store that is ready for some views; the fixture that every suite asks for."""


@asynccontextmanager
async def writing(store: WriteStore) -> AsyncIterator[WriteTransaction]:
    """Open a transaction that is committed at the end, and rolled back when the block fails."""
    transaction = await store.begin()
    try:
        yield transaction
        await transaction.commit()
    finally:
        await transaction.rollback()


@asynccontextmanager
async def reading(store: WriteStore) -> AsyncIterator[WriteTransaction]:
    """Open a transaction that only reads."""
    transaction = await store.begin(read_only=True)
    try:
        yield transaction
    finally:
        await transaction.rollback()


@asynccontextmanager
async def undone(store: WriteStore) -> AsyncIterator[WriteTransaction]:
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
