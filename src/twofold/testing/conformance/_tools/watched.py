"""A store that calls a hook at several points while an application uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, cast

from twofold._definitions.view import View
from twofold.ports import ReadStore

from .proxy import Proxy

S = TypeVar("S", bound=ReadStore)

Hook: TypeAlias = Callable[[str, str], Awaitable[None]]
"""Called with the name of a point and its subject. A hook may record calls, wait, or raise as a crash would."""

BEFORE_ADVANCE = "before advance"
AFTER_ADVANCE = "after advance"
BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"
BEGIN = "begin"
BEGIN_READING = "begin reading"
LOOK = "look at the checkpoints"
AFTER_LOOK_AT_SCHEDULE = "after look at the schedule"
READ = "read the log"
AFTER_LOAD = "after load"
AFTER_SAVE = "after save"
AFTER_APPEND = "after append"
AFTER_ROWS = "after rows"

AROUND_A_CHECKPOINT = BEFORE_ADVANCE, AFTER_ADVANCE, BEFORE_COMMIT, AFTER_COMMIT


def watched(store: S, hook: Hook) -> S:
    """Return a store that calls a hook at the points named above.

    The subject of a point depends on the point:

    - an advance, and a commit after an advance: the subscription;
    - an append, and a commit after an append without an advance: the stream;
    - a load or a save of state: the id of the aggregate;
    - a write of rows: the name of the view;
    - a read of the schedule: the id of the next entry, if there is one.
    """
    return cast(S, _Store(store, hook))


class _Passing(Proxy):
    def __init__(self, inner: Any, hook: Hook) -> None:
        super().__init__(inner)
        self._hook = hook


class _Store(_Passing):
    @property
    def write_store(self) -> Any:
        return _Store(self.inner.write_store, self._hook)

    @property
    def read_store(self) -> Any:
        return _Store(self.inner.read_store, self._hook)

    @property
    def log(self) -> Any:
        return _Log(self.inner.log, self._hook)

    @property
    def subscriptions(self) -> Any:
        return _Subscriptions(self.inner.subscriptions, self._hook)

    @property
    def schedule(self) -> Any:
        return _Schedule(self.inner.schedule, self._hook)

    async def begin(self, *, read_only: bool = False) -> Any:
        await self._hook(BEGIN_READING if read_only else BEGIN, "")
        transaction = await self.inner.begin(read_only=read_only)
        return transaction if read_only else _Transaction(transaction, self._hook)


class _Log(_Passing):
    async def read_all(self, **options: Any) -> Any:
        await self._hook(READ, "")
        return await self.inner.read_all(**options)


class _Subscriptions(_Passing):
    async def partitions(self, subscription: str) -> Any:
        await self._hook(LOOK, subscription)
        return await self.inner.partitions(subscription)


class _Schedule(_Passing):
    async def next(self, *, limit: int) -> Any:
        found = await self.inner.next(limit=limit)
        await self._hook(AFTER_LOOK_AT_SCHEDULE, found[0].id if found else "")
        return found


class _Transaction(_Passing):
    def __init__(self, inner: Any, hook: Hook) -> None:
        super().__init__(inner, hook)
        self.log = _LogWriter(inner.log, hook) if hasattr(inner, "log") else None
        self.checkpoints = _Checkpoints(inner.checkpoints, hook)

    def state(self, aggregate_type: type[Any]) -> Any:
        return _State(self.inner.state(aggregate_type), self._hook)

    def rows(self, view: type[View], **options: Any) -> Any:
        return _Rows(self.inner.rows(view, **options), self._hook, view.view_name)

    async def commit(self) -> None:
        about = self.checkpoints.subscription or (self.log.stream if self.log else "")
        await self._hook(BEFORE_COMMIT, about)
        await self.inner.commit()
        await self._hook(AFTER_COMMIT, about)


class _LogWriter(_Passing):
    stream = ""

    async def append(self, stream: str, *args: Any, **options: Any) -> Any:
        self.stream = stream
        stored = await self.inner.append(stream, *args, **options)
        await self._hook(AFTER_APPEND, stream)
        return stored


class _Checkpoints(_Passing):
    subscription = ""

    async def advance(self, subscription: str, **options: Any) -> None:
        self.subscription = subscription
        await self._hook(BEFORE_ADVANCE, subscription)
        await self.inner.advance(subscription, **options)
        await self._hook(AFTER_ADVANCE, subscription)


class _State(_Passing):
    async def load(self, id: str) -> Any:
        found = await self.inner.load(id)
        await self._hook(AFTER_LOAD, id)
        return found

    async def insert(self, id: str, aggregate: Any) -> None:
        await self.inner.insert(id, aggregate)
        await self._hook(AFTER_SAVE, id)

    async def update(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.update(id, aggregate, expected=expected)
        await self._hook(AFTER_SAVE, id)

    async def delete(self, id: str, aggregate: Any, *, expected: int) -> None:
        await self.inner.delete(id, aggregate, expected=expected)
        await self._hook(AFTER_SAVE, id)


class _Rows(_Passing):
    def __init__(self, inner: Any, hook: Hook, view: str) -> None:
        super().__init__(inner, hook)
        self._view = view

    async def write(self, changes: Any) -> None:
        await self.inner.write(changes)
        await self._hook(AFTER_ROWS, self._view)
