"""Stores whose snapshots are broken."""

from __future__ import annotations

from typing import Any

from twofold.ports import Snapshot

from .broken import Around, break_transaction, commits_anyway
from .mutant import Mutant


class Step(Around):
    """A transaction whose snapshots are broken."""

    def __init__(self, inner: Any, _store: Any, _read_only: bool) -> None:
        super().__init__(inner)


class Forgets(Step):
    """Keeps none."""

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        return None


class OneForAll(Step):
    """Keeps one for all streams."""

    async def snapshot(self, stream: str) -> Snapshot | None:
        found: Snapshot | None = await self.inner.snapshot("any")
        return found

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        await self.inner.keep_snapshot("any", snapshot)


class KeepsFirst(Step):
    """Does not replace a snapshot."""

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        if await self.inner.snapshot(stream) is None:
            await self.inner.keep_snapshot(stream, snapshot)


class OffByOne(Step):
    """Says that a snapshot stands for one event fewer."""

    async def snapshot(self, stream: str) -> Snapshot | None:
        found: Snapshot | None = await self.inner.snapshot(stream)
        return None if found is None else found._replace(version=found.version - 1)


SNAPSHOTS = (
    Mutant("none is kept", "test_a_snapshot_survives", break_transaction(Forgets)),
    Mutant("one for all streams", "test_a_snapshot_survives", break_transaction(OneForAll)),
    Mutant("the first one stays", "test_an_older_one_does_not_replace_a_newer", break_transaction(KeepsFirst)),
    Mutant("a version too low", "test_a_loaded_aggregate_is_the_same", break_transaction(OffByOne)),
    Mutant("kept although rolled back", "test_a_rollback_keeps_none", commits_anyway),
)
"""Each is killed by the named test of `SnapshotSuite`."""
