"""A write store and a read store that a suite can use as one store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from twofold._definitions.view import View
from twofold.ports import Checkpoint, Lease, Partition, Pause, ReadStore, SubscriptionStore, WriteStore

from .proxy import Proxy


class Stores(TypedDict):
    """The stores of an application."""

    write: WriteStore
    read: ReadStore | None


class Beside:
    """Runs the suites about applications on a read store that is not a `WriteStore`.

        async with new_write_store(views) as write, new_read_store(views) as read:
            yield Beside(write, read)

    The applications of a suite write to the write store and read from the read store. Calls of the suite itself use the
    rows
    of the read store, and the subscriptions of the store that has them.

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

    async def disconnect(self) -> None:
        for store in (self.write_store, self.read_store):
            await store.disconnect()

    async def begin(self, *, read_only: bool = False) -> Any:
        write, read = self.write_store, self.read_store
        return _Transaction(self, await write.begin(read_only=read_only), await read.begin(read_only=read_only))

    async def side(self, subscription: str) -> ReadStore:
        """Return the store that has a subscription, or the read store if the subscription never ran."""
        return self.write_store if await self.write_store.subscriptions.partitions(subscription) else self.read_store


class _Subscriptions:
    """Each subscription, in the store that has it."""

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

    async def paused(self, subscription: str) -> Pause | None:
        return await (await self._of(subscription)).paused(subscription)

    async def pause(self, subscription: str, pause: Pause) -> None:
        await (await self._of(subscription)).pause(subscription, pause)

    async def resume(self, subscription: str) -> None:
        await (await self._of(subscription)).resume(subscription)

    async def _of(self, subscription: str) -> SubscriptionStore:
        return (await self._store.side(subscription)).subscriptions


class _OnItsSide:
    """A part whose methods take a subscription as their first argument.

    Each call uses the store that has the subscription.

    Args:
        store: the stores.
        part: returns the part of one store.
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
    """A transaction of both stores: rows and projections in the read store, the rest in the write store.

    The read store commits first.
    """

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
    """Return the stores for an application: this store, or its two parts."""
    write, read = getattr(store, "write_store", None), getattr(store, "read_store", None)
    return {"write": store if write is None else write, "read": read}
