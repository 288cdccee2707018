"""One atomic step in Redis: gathered here, and sent as one script."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from twofold import View
from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, ParkedEvent, Position

from ._commit.commit import Commit
from ._commit.state import TransactionState
from ._rows.rows import RedisRows, RowBuffer, write_rows
from ._rows.shape import shape_of
from ._server.keys import Keys, RowKeys
from ._server.server import Server
from ._subscriptions.parked import AsideBuffer
from ._subscriptions.partitions import PartitionBuffer, read_partitions

T = TypeVar("T")
V = TypeVar("V", bound=View)


class RedisTransaction:
    """A `ReadTransaction`. It sees what is committed and, on top of it, what it wrote; until the commit Redis knows nothing.

    Args:
        server: runs scripts.
        keys: names the keys.
        read_only: refuse to write.
    """

    def __init__(self, server: Server, keys: Keys, *, read_only: bool) -> None:
        self._server = server
        self._keys = keys
        self._state = TransactionState(read_only=read_only)
        self._rows: dict[tuple[type[View], bool], RowBuffer[Any]] = {}
        self._partitions: dict[str, PartitionBuffer] = {}
        self._aside: dict[str, AsideBuffer] = {}
        self._log = ""

    def rows(self, view: type[V], *, shadow: bool = False) -> RedisRows[V]:
        """Return the rows of a view."""
        return RedisRows(self._server, shape_of(view), lambda: self._buffer(view, shadow), self._state)

    async def clear_shadows(self, views: Sequence[type[View]]) -> None:
        """Remove all shadow rows of these views."""
        self._state.check_writable()
        for view in views:
            self._rows[view, True] = RowBuffer(None)

    async def swap_shadows(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        self._state.check_writable()
        for view in views:
            self._rows[view, False] = self._buffer(view, True)
            self._rows[view, True] = RowBuffer(None)

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Write a checkpoint where the expected one stands."""
        partitions = await self._partitions_of(subscription)
        self._log = to.log
        try:
            partitions.advance(expected, to, lease)
        except CheckpointMoved as moved:
            raise self._state.broken(moved) from None

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace the partitions of a subscription by others."""
        partitions = await self._partitions_of(subscription)
        try:
            partitions.divide(checkpoints, leases)
        except CheckpointMoved as moved:
            raise self._state.broken(moved) from None

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Set events aside."""
        self._state.check_writable()
        self._aside_of(subscription).park(events)

    async def unpark(self, subscription: str, positions: Sequence[Position]) -> int:
        """Forget events that were set aside."""
        attempt = f"forget parked events of {subscription}"
        return await self._changed(self._aside_of(subscription).unpark(self._server, positions, attempt))

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        """Let the events that another subscription has set aside take the place of this one's."""
        self._state.check_writable()
        self._aside[subscription] = self._aside_of(of)
        self._aside[of] = AsideBuffer(None)

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Let the first event that a key has set aside be tried at a time."""
        attempt = f"ask for a retry by {subscription}"
        return await self._changed(self._aside_of(subscription).ask_retry(self._server, key, at, attempt))

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        """Write reason, attempts, time and next try of an event anew."""
        attempt = f"blame a parked event of {subscription}"
        await self._changed(self._aside_of(subscription).blame(self._server, parked, attempt))

    async def commit(self) -> None:
        """Make everything visible at once. A commit that was sent is awaited, whoever cancels the task.

        Raises:
            CheckpointMoved: a checkpoint that this transaction moves was moved meanwhile; nothing was written.
            ForeignLog: it moves a checkpoint of one log, and writes rows that come from another; nothing was written.
            CommitFailed: it is *unknown* whether it was done.
        """
        self._state.check()
        commit = Commit(self._keys)
        for subscription, partitions in self._partitions.items():
            partitions.write(commit, self._keys.partitions(subscription))
        self._write_aside(commit)
        self._write_rows(commit)
        await self._state.guard(commit.send(self._server))
        self._state.end()

    async def rollback(self) -> None:
        """Forget everything."""
        self._state.end()

    def _write_rows(self, commit: Commit) -> None:
        """Bring rows to where they are wanted, then write to them; the rows themselves come before their shadows."""
        for (view, shadow), buffer in sorted(self._rows.items(), key=lambda each: each[0][1]):
            here, layout = self._row_keys(view, shadow), shape_of(view).layout
            if buffer.source != here or buffer.changes:
                commit.check_layout(view.view_name, here.layout, layout)
            if buffer.source is None:
                for key in here.all:
                    commit.step("drop", [key], [])
            elif buffer.source != here:
                for old, new in zip(buffer.source.all, here.all, strict=True):
                    commit.step("rename", [old, new], [])
            if buffer.changes:
                write_rows(commit, view.view_name, layout, here, buffer, self._log)

    def _write_aside(self, commit: Commit) -> None:
        for subscription, buffer in self._aside.items():
            here = self._keys.aside(subscription)
            if buffer.source is not None and buffer.source != here:
                for old, new in zip(buffer.source.all, here.all, strict=True):
                    commit.step("rename", [old, new], [])
        for subscription, buffer in self._aside.items():
            here = self._keys.aside(subscription)
            if buffer.source is None:
                for key in here.all:
                    commit.step("drop", [key], [])
            buffer.write(commit, here, self._keys.number)

    def _buffer(self, view: type[V], shadow: bool) -> RowBuffer[V]:
        if (view, shadow) not in self._rows:
            self._rows[view, shadow] = RowBuffer(self._row_keys(view, shadow))
        return self._rows[view, shadow]

    def _row_keys(self, view: type[View], shadow: bool) -> RowKeys:
        return self._keys.rows(view, tuple(index.name for index in shape_of(view).indexes), shadow=shadow)

    async def _partitions_of(self, subscription: str) -> PartitionBuffer:
        self._state.check_writable()
        if subscription not in self._partitions:
            self._partitions[subscription] = await self._state.guard(
                read_partitions(self._server, self._keys, subscription)
            )
        return self._partitions[subscription]

    def _aside_of(self, subscription: str) -> AsideBuffer:
        self._state.check_writable()
        if subscription not in self._aside:
            self._aside[subscription] = AsideBuffer(self._keys.aside(subscription))
        return self._aside[subscription]

    async def _changed(self, work: Awaitable[T]) -> T:
        return await self._state.guard(work)
