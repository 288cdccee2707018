"""Stores that break a promise, to prove that the lab notices."""

from __future__ import annotations

import os
import signal
from typing import Any

from twofold.ports import Checkpoint, Lease


class Torn:
    """Commits the rows of a projection before their checkpoint, and dies in between."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self._store.begin(read_only=read_only)
        return transaction if read_only else _Torn(transaction, self._store)


class _Torn:
    def __init__(self, transaction: Any, store: Any) -> None:
        self._transaction = transaction
        self._store = store
        self._projects = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def rows(self, *args: Any, **kwargs: Any) -> Any:
        self._projects = True
        return self._transaction.rows(*args, **kwargs)

    async def advance(self, subscription: str, **options: Any) -> None:
        if not self._projects:
            await self._transaction.advance(subscription, **options)

    async def commit(self) -> None:
        await self._transaction.commit()
        if self._projects:
            os.kill(os.getpid(), signal.SIGKILL)


class Unfenced(Torn):
    """Writes checkpoints over whatever stands there, and whoever holds the partition."""

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self._store.begin(read_only=read_only)
        return transaction if read_only else _Unfenced(transaction, self._store)


class _Unfenced(_Torn):
    async def advance(self, subscription: str, **options: Any) -> None:
        lease, to = options["lease"], options["to"]
        assert isinstance(lease, Lease)
        assert isinstance(to, Checkpoint)
        now = (await self._store.partitions(subscription))[lease.partition]
        any_lease = lease._replace(generation=now.generation)
        await self._transaction.advance(subscription, expected=now.checkpoint, to=to, lease=any_lease)

    async def commit(self) -> None:
        await self._transaction.commit()
