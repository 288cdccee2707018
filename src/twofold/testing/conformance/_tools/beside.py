"""A write store with a read store beside it, given to a suite as one store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from twofold._definitions.view import View
from twofold.ports import Checkpoint, Lease, ParkedEvent, Partition, ReadStore, WriteStore


class Stores(TypedDict):
    """What an application is given."""

    write: WriteStore
    read: ReadStore | None


class Beside:
    """Lets the suites about applications run on a store that is a `ReadStore` and no `WriteStore`.

        async with new_write_store(views) as write, new_read_store(views) as read:
            yield Beside(write, read)

    Applications that a suite makes write to the one and read from the other. What a suite asks of the store itself concerns
    the rows of the read store, and the subscriptions of whichever store has them.

    Args:
        write: the write store.
        read: the read store.
    """

    def __init__(self, write: WriteStore, read: ReadStore) -> None:
        self.write_store = write
        self.read_store = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self.write_store, name)

    async def open(self, views: Sequence[type[View]]) -> None:
        for store in (self.write_store, self.read_store):
            await store.open(views)

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        for store in (self.write_store, self.read_store):
            await store.create_schema(views)

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        await self.read_store.create_shadows(views)

    async def begin(self, *, read_only: bool = False) -> Any:
        write, read = self.write_store, self.read_store
        return _Transaction(self, await write.begin(read_only=read_only), await read.begin(read_only=read_only))

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        return await (await self.side(subscription)).checkpoint(subscription)

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        return await (await self.side(subscription)).partitions(subscription)

    async def claim(self, subscription: str, owner: str, **options: Any) -> Sequence[Lease]:
        return await (await self.side(subscription)).claim(subscription, owner, **options)

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        return [held for each in leases for held in await (await self._of(each)).renew([each], seconds=seconds)]

    async def release(self, leases: Sequence[Lease]) -> None:
        for each in leases:
            await (await self._of(each)).release([each])

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        return await (await self.side(subscription)).parked(subscription, key=key)

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        return await (await self.side(subscription)).parked_keys(subscription)

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        return await (await self.side(subscription)).retries(subscription)

    async def side(self, subscription: str) -> ReadStore:
        """Return the store that has a subscription; the read store when it never ran."""
        return self.write_store if await self.write_store.partitions(subscription) else self.read_store

    async def _of(self, lease: Lease) -> ReadStore:
        return await self.side(lease.subscription)


class _Transaction:
    """Rows and projections of the read store, everything else of the write store; the read store commits first."""

    def __init__(self, store: Beside, write: Any, read: Any) -> None:
        self._store = store
        self._write = write
        self._read = read

    def __getattr__(self, name: str) -> Any:
        if name in ("rows", "clear_shadows", "swap_shadows"):
            return getattr(self._read, name)
        if name in ("advance", "divide", "park", "unpark", "adopt_parked", "ask_retry", "blame"):
            return lambda subscription, *args, **options: self._ask(name, subscription, *args, **options)
        return getattr(self._write, name)

    async def commit(self) -> None:
        await self._read.commit()
        await self._write.commit()

    async def rollback(self) -> None:
        await self._read.rollback()
        await self._write.rollback()

    async def _ask(self, method: str, subscription: str, *args: Any, **options: Any) -> Any:
        side = await self._store.side(subscription)
        transaction = self._read if side is self._store.read_store else self._write
        return await getattr(transaction, method)(subscription, *args, **options)


def stores_of(store: WriteStore) -> Stores:
    """Return what to give to an application: this store, or the two that it is made of."""
    write, read = getattr(store, "write_store", None), getattr(store, "read_store", None)
    return {"write": store if write is None else write, "read": read}
