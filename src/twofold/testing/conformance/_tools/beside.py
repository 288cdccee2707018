"""A write store with a read store beside it, given to a suite as one store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from twofold._definitions.view import View
from twofold.ports import Checkpoint, Lease, Partition, ReadStore, SubscriptionStore, WriteStore

from .proxy import Proxy


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
        self.subscriptions = _Subscriptions(self)
        self.parked: Any = _OnItsSide(self, lambda side: side.parked)

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

    async def side(self, subscription: str) -> ReadStore:
        """Return the store that has a subscription; the read store when it never ran."""
        return self.write_store if await self.write_store.subscriptions.partitions(subscription) else self.read_store


class _Subscriptions:
    """Each subscription, in whichever store has it."""

    def __init__(self, store: Beside) -> None:
        self._store = store

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        return await (await self._of(subscription)).checkpoint(subscription)

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        return await (await self._of(subscription)).partitions(subscription)

    async def claim(self, subscription: str, owner: str, **options: Any) -> Sequence[Lease]:
        return await (await self._of(subscription)).claim(subscription, owner, **options)

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        renewed = [await (await self._of(each.subscription)).renew([each], seconds=seconds) for each in leases]
        return [lease for each in renewed for lease in each]

    async def release(self, leases: Sequence[Lease]) -> None:
        for each in leases:
            await (await self._of(each.subscription)).release([each])

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        return await (await self._of(subscription)).attend(subscription, owner, seconds=seconds)

    async def _of(self, subscription: str) -> SubscriptionStore:
        return (await self._store.side(subscription)).subscriptions


class _OnItsSide:
    """A part whose methods begin with a subscription: the part of whichever store has the subscription.

    Args:
        store: the stores.
        part: returns the part in one of them.
    """

    def __init__(self, store: Beside, part: Callable[[ReadStore], Any]) -> None:
        self._store = store
        self._part = part

    def __getattr__(self, method: str) -> Any:
        async def call(subscription: str, *args: Any, **options: Any) -> Any:
            part = self._part(await self._store.side(subscription))
            return await getattr(part, method)(subscription, *args, **options)

        return call


class _Transaction(Proxy):
    """Rows and projections of the read store, everything else of the write store; the read store commits first."""

    def __init__(self, store: Beside, write: Any, read: Any) -> None:
        super().__init__(write)
        self._read = read
        self.rows, self.shadows = read.rows, read.shadows
        self.checkpoints = _OnItsSide(store, lambda side: self._in(side is store.read_store).checkpoints)
        self.parked = _OnItsSide(store, lambda side: self._in(side is store.read_store).parked)

    def _in(self, read_store: bool) -> Any:
        return self._read if read_store else self.inner

    async def commit(self) -> None:
        await self._read.commit()
        await self.inner.commit()

    async def rollback(self) -> None:
        await self._read.rollback()
        await self.inner.rollback()


def stores_of(store: WriteStore) -> Stores:
    """Return what to give to an application: this store, or the two that it is made of."""
    write, read = getattr(store, "write_store", None), getattr(store, "read_store", None)
    return {"write": store if write is None else write, "read": read}
