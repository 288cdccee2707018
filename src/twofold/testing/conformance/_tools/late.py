"""A store whose transactions begin at their first write, so that several handlers can load before one of them writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

from twofold.ports import WriteStore

from .proxy import Proxy


def late(store: WriteStore, loaded: Callable[[], Awaitable[None]]) -> WriteStore:
    """Return the store with transactions that read without writing until their first write.

    On a store whose writers take turns, such as SQLite, two handlers never load the same version. With this store they
    do:
    the writing transaction begins at the first write. Only commands that load and save can run on it.

    Args:
        store: the store.
        loaded: awaited before the first write. It may delay a handler until other handlers have loaded.
    """
    return cast(WriteStore, _Store(store, loaded))


class _Store(Proxy):
    def __init__(self, inner: Any, loaded: Callable[[], Awaitable[None]]) -> None:
        super().__init__(inner)
        self._loaded = loaded

    async def begin(self, *, read_only: bool = False) -> Any:
        reading = await self.inner.begin(read_only=True)
        return reading if read_only else _Transaction(self.inner, reading, self._loaded)


class _Transaction:
    def __init__(self, store: Any, reading: Any, loaded: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._loaded = loaded
        self._writes = False
        self.now = reading

    async def writing(self) -> Any:
        """Return the writing transaction; begin it if necessary."""
        if not self._writes:
            await self._loaded()
            await self.now.rollback()
            self.now = await self._store.begin()
            self._writes = True
        return self.now

    @property
    def log(self) -> Any:
        return _Log(self)

    @property
    def tags(self) -> Any:
        return _Tags(self)

    @property
    def storage_kinds(self) -> Any:
        return _StorageKinds(self)

    def state(self, aggregate_type: type[Any]) -> Any:
        return _State(self, aggregate_type)

    async def commit(self) -> None:
        await self.now.commit()

    async def rollback(self) -> None:
        await self.now.rollback()


class _Log:
    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def read(self, stream: str, *, after: int = 0) -> AsyncGenerator[Any]:
        async for event in self._transaction.now.log.read(stream, after=after):
            yield event

    async def append(self, stream: str, events: Any, **options: Any) -> Any:
        return await (await self._transaction.writing()).log.append(stream, events, **options)

    async def matching(self, criteria: Any, **options: Any) -> Any:
        return await self._transaction.now.log.matching(criteria, **options)

    async def settled(self) -> Any:
        return await self._transaction.now.log.settled()

    async def guard(self, conditions: Any, tags: Any) -> None:
        await (await self._transaction.writing()).log.guard(conditions, tags)


class _Tags:
    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def progress(self, name: str) -> Any:
        return await self._transaction.now.tags.progress(name)

    async def record(self, name: str, field: str, filled: Any) -> None:
        await (await self._transaction.writing()).tags.record(name, field, filled)


class _StorageKinds:
    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction

    async def get(self, aggregate: str) -> Any:
        return await self._transaction.now.storage_kinds.get(aggregate)

    async def add(self, aggregate: str, kind: str) -> None:
        await (await self._transaction.writing()).storage_kinds.add(aggregate, kind)


class _State:
    def __init__(self, transaction: _Transaction, aggregate_type: type[Any]) -> None:
        self._transaction = transaction
        self._type = aggregate_type

    async def load(self, id: str) -> Any:
        return await self._transaction.now.state(self._type).load(id)

    async def version(self, id: str) -> int | None:
        version: int | None = await self._transaction.now.state(self._type).version(id)
        return version

    async def insert(self, id: str, aggregate: Any) -> None:
        await (await self._transaction.writing()).state(self._type).insert(id, aggregate)

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        await (await self._transaction.writing()).state(self._type).update(id, aggregate, expected=expected)

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        await (await self._transaction.writing()).state(self._type).delete(id, aggregate, expected=expected)
