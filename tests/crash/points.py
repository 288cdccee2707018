"""Named points at which a process ends or pauses itself, and a record of the steps that it has committed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from twofold.ports import Checkpoint, Lease, WriteStore

POINTS = ("begin", "write", "state", "append", "advance", "take", "commit", "claim", "renew")
"""The operations of a process on its store. There is a point before and one after each operation.

A transaction begins, rows of a read model or the state of an aggregate are written, events are appended, a checkpoint
is written, a scheduled command is claimed, the transaction commits. Leases are claimed and renewed.
"""


class Fate(NamedTuple):
    """The failure of a process.

    Attributes:
        moment: "before" or "after".
        point: one of `POINTS`.
        visit: the number of the visit to the point, from 1, at which the process fails. For sleep, the earliest such
            visit.
        by: the signal that the process sends to itself.
    """

    moment: str
    point: str
    visit: int = 1
    by: signal.Signals = signal.SIGKILL

    def __str__(self) -> str:
        return f"{self.moment} {self.point} {self.visit} {self.by.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse the result of `str`."""
        moment, point, visit, by = text.split()
        return cls(moment, point, int(visit), signal.Signals[by])


class Pointed:
    """A store that counts the visits of its process to each point, and sends the process its signal.

    A process that shall sleep does so while it has no other transaction open. All its locks are then those of this
    point.

    Args:
        store: the store.
        fate: the failure and its moment; None for no failure.
        steps: a file to which each committed step of a subscription is appended, one per line.
    """

    def __init__(self, store: WriteStore, fate: Fate | None = None, steps: Path | None = None) -> None:
        self._store = store
        self._fate = fate
        self._passed = 0
        self._under_way = 0
        self._steps = None if steps is None else os.open(steps, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def subscriptions(self) -> _Subscriptions:
        """The subscriptions, whose leases are points."""
        return _Subscriptions(self._store.subscriptions, self)

    async def begin(self, *, read_only: bool = False) -> Any:
        """Begin a transaction whose steps are points, unless it only reads."""
        if read_only:
            return await self._store.begin(read_only=True)
        self._under_way += 1
        try:
            return _Transaction(await self.at("begin", self._store.begin()), self)
        except BaseException:
            self.ended()
            raise

    async def at(self, point: str, work: Any) -> Any:
        """Do the work between the two points around it."""
        self._pass("before", point)
        result = await work
        self._pass("after", point)
        return result

    def note(self, lease: Lease, to: Checkpoint) -> None:
        """Append a committed step to the record. One call writes the whole line, because several processes write."""
        if self._steps is not None:
            os.write(self._steps, f"{json.dumps([*lease, to.position])}\n".encode())

    def ended(self) -> None:
        """Count a transaction as ended."""
        self._under_way -= 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a call as under way."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _pass(self, moment: str, point: str) -> None:
        fate = self._fate
        if fate is None or (moment, point) != fate[:2]:
            return
        self._passed += 1
        if self._passed >= fate.visit and (fate.by is signal.SIGKILL or self._under_way == 1):
            self._fate = None
            os.kill(os.getpid(), fate.by)


class _Subscriptions:
    def __init__(self, inner: Any, store: Pointed) -> None:
        self._inner = inner
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        with self._store.working():
            return await self._store.at("claim", self._inner.claim(*args, **kwargs))

    async def renew(self, *args: Any, **kwargs: Any) -> Any:
        with self._store.working():
            return await self._store.at("renew", self._inner.renew(*args, **kwargs))

    async def release(self, *args: Any) -> None:
        with self._store.working():
            await self._inner.release(*args)

    async def attend(self, *args: Any, **kwargs: Any) -> Any:
        with self._store.working():
            return await self._inner.attend(*args, **kwargs)


class _Transaction:
    def __init__(self, transaction: Any, store: Pointed) -> None:
        self._transaction = transaction
        self._store = store
        self.log = _Calls(transaction.log, store, "append", ("append",))
        self.schedule = _Calls(transaction.schedule, store, "take", ("take",))
        self.checkpoints = _Checkpoints(transaction.checkpoints, store)
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def commit(self) -> None:
        await self._store.at("commit", self._transaction.commit())
        for lease, to in self.checkpoints.moved:
            self._store.note(lease, to)
        self._end()

    async def rollback(self) -> None:
        await self._transaction.rollback()
        self._end()

    def rows(self, *args: Any, **kwargs: Any) -> Any:
        return _Calls(self._transaction.rows(*args, **kwargs), self._store, "write", ("write",))

    def state(self, *args: Any, **kwargs: Any) -> Any:
        return _Calls(self._transaction.state(*args, **kwargs), self._store, "state", ("insert", "update", "delete"))

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._store.ended()


class _Checkpoints:
    def __init__(self, inner: Any, store: Pointed) -> None:
        self._inner = inner
        self._store = store
        self.moved: list[tuple[Lease, Checkpoint]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        await self._store.at("advance", self._inner.advance(subscription, expected=expected, to=to, lease=lease))
        if lease is not None and (expected is None or to.position != expected.position):  # a retry moves nothing
            self.moved.append((lease, to))


class _Calls:
    """Something some of whose methods are a point."""

    def __init__(self, inner: Any, store: Pointed, point: str, methods: Sequence[str]) -> None:
        self._inner = inner
        self._store = store
        self._point = point
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self._methods:
            return method

        async def called(*args: Any, **kwargs: Any) -> Any:
            return await self._store.at(self._point, method(*args, **kwargs))

        return called
