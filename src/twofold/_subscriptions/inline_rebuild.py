"""Rebuild an inline projection beside the rows that queries read, and swap the rows while no other transaction appends.

Shadow rows are filled as those of an asynchronous projection are. The swap is one transaction, which locks the event log: it
applies the last events, replaces the rows, and records the projection as inline. The next transaction that appends writes
the new rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio

from .._definitions.position import START, Position
from .._dispatch.services import Services
from .._writing.transactions import writing
from ..errors import CheckpointMoved, CommitUnknown, RebuildFailed
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.stores import WriteStore
from ..ports.subscription_store import Partition
from ..ports.transactions import WriteTransaction
from .decoded_log import DecodedLog
from .inline import as_subscription, record_of
from .processor import EventFailed
from .projection import Projection
from .rebuild import OnProgress, Rebuild
from .subscription import EVERY_PARTITION

_OWNER: Final = "inline"
_FOREVER: Final = 1e9
"""The owner and the duration of the leases of an inline projection, in seconds. No worker may run it during this time."""


class InlineRebuild(Rebuild):
    """One rebuild of one inline projection, or of one that becomes inline.

    Args:
        projection: the projection.
        services: the services of the application.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds. Another process can continue the rebuild after that time.
    """

    def __init__(self, projection: Projection, services: Services, log: DecodedLog, owner: str, lease: float) -> None:
        self._write: WriteStore = services.write.store
        super().__init__(as_subscription(projection, services, self._write), projection, services, log, owner, lease)
        self._services = services
        self._projection = replace(projection, shadow=True)

    async def _swap(self, lease: Lease, on_progress: OnProgress) -> bool:
        name = self._live.name
        await self._check_nothing_parked()
        async with fenced(self._write, name, self._log.identity) as fences, writing(self._write) as transaction:
            # The record is locked before the log: transactions that append do the same.
            await transaction.inline.record(name, record_of(self._projection))
            await transaction.log.lock()
            to = await self._log.at_head()
            head = to.position
            await self._apply(transaction, (await self._checkpoint()).position, head)
            for held, partition in fences:
                kept = replace(to, contents=partition.checkpoint.contents)
                await transaction.checkpoints.advance(name, expected=partition.checkpoint, to=kept, lease=held)
            await transaction.checkpoints.divide(self._shadow.name, (), leases=[lease])
            await transaction.parked.adopt(name, of=self._shadow.name)
            await transaction.shadows.swap(self._views)
        on_progress(head, head)
        return True

    async def _apply(self, transaction: WriteTransaction, after: Position, upto: Position) -> None:
        """Apply the events that were appended since the shadow rows were filled."""
        while after < upto:
            page = await self._log.events.read_all(after=after, names=self._projection.events)
            if page.last == after:
                return
            events = [(stored, self._log.event_types.decode_stored(stored)) for stored in page.events]
            try:
                await self._projection.apply(self._services, transaction, events)
            except EventFailed as failed:
                raise self._failed(events[failed.index][0].position, f"{failed.error}") from failed.error
            after = page.last

    async def _check_nothing_parked(self) -> None:
        for parked in await self._store.parked.read(self._shadow.name):
            raise self._failed(parked.event.position, parked.reason)

    def _failed(self, position: Position, reason: str) -> RebuildFailed:
        return RebuildFailed(
            f"cannot rebuild the inline projection {self._live.name!r}: it fails on the event at position {position} "
            f"({reason}). Its rows are unchanged. Correct the projection, and rebuild it with restart=True, or restart the "
            "application if it was starting."
        )


@asynccontextmanager
async def fenced(store: WriteStore, name: str, identity: str) -> AsyncIterator[Sequence[tuple[Lease, Partition]]]:
    """Take the leases of a projection that becomes inline, so that no worker of another release runs it any more.

    The leases stay if the block succeeds, and are released if it fails, unless the projection was inline before. If the
    outcome of a commit is unknown, they stay: the next start of a process that has the projection reads the record.
    """
    if not await store.subscriptions.partitions(name):
        async with writing(store) as transaction:
            await transaction.checkpoints.divide(name, [Checkpoint(START, identity)], leases=())
    leases = await store.subscriptions.claim(name, _OWNER, seconds=_FOREVER, limit=EVERY_PARTITION, force=True)
    try:
        yield await _held(store, name, leases)
    except CommitUnknown:
        raise
    except BaseException:
        with anyio.CancelScope(shield=True):
            if name not in (await store.log.inline()).views:
                await store.subscriptions.release(leases)
        raise


async def _held(store: WriteStore, name: str, leases: Sequence[Lease]) -> Sequence[tuple[Lease, Partition]]:
    """Return leases with their partitions.

    Raises:
        CheckpointMoved: another process has taken a partition.
    """
    found = {(each.number, each.generation): each for each in await store.subscriptions.partitions(name)}
    if {(lease.partition, lease.generation) for lease in leases} != found.keys():
        raise CheckpointMoved(f"another process has taken the partitions of {name!r}.")
    return [(lease, found[lease.partition, lease.generation]) for lease in leases]
