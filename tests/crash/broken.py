"""Stores that break a promise, to prove that the lab notices."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from twofold.ports import Checkpoint, Lease
from twofold.testing.conformance._tools.proxy import Proxy


class Torn(Proxy):
    """Commits the rows of a projection before their checkpoint, and dies in between."""

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self.inner.begin(read_only=read_only)
        return transaction if read_only else _Torn(transaction)


class _Torn(Proxy):
    _projects = False

    def rows(self, *args: Any, **kwargs: Any) -> Any:
        self._projects = True
        self.checkpoints = _Ignored()
        return self.inner.rows(*args, **kwargs)

    async def commit(self) -> None:
        await self.inner.commit()
        if self._projects:
            os.kill(os.getpid(), signal.SIGKILL)


class _Ignored:
    async def advance(self, *_: object, **__: object) -> None:
        return None


class Unfenced(Proxy):
    """Writes checkpoints over any existing one, whichever worker holds the partition. No lease is lost."""

    @property
    def subscriptions(self) -> Any:
        return Proxy(self.inner.subscriptions, renew=_all_kept)

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self.inner.begin(read_only=read_only)
        return Proxy(transaction, checkpoints=_Unfenced(transaction.checkpoints, self.inner))


async def _all_kept(leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
    return leases


class _Unfenced(Proxy):
    def __init__(self, checkpoints: Any, store: Any) -> None:
        super().__init__(checkpoints)
        self._store = store

    async def advance(self, subscription: str, *, to: Checkpoint, lease: Lease, **_: object) -> None:
        now = (await self._store.subscriptions.partitions(subscription))[lease.partition]
        any_lease = lease._replace(generation=now.generation)
        await self.inner.advance(subscription, expected=now.checkpoint, to=to, lease=any_lease)
