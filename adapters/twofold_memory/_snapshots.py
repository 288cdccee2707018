"""Snapshots of event-sourced aggregates, and the kind of storage that each aggregate type uses."""

from __future__ import annotations

from twofold.ports import Snapshot

from ._step import Step
from ._tables import KINDS, SNAPSHOTS


class InMemorySnapshots:
    """The `Snapshots` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def get(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        found: Snapshot | None = self._step.reading().get(SNAPSHOTS, stream)
        return found

    async def put(self, stream: str, snapshot: Snapshot) -> None:
        """Store a snapshot, unless the stored one has a higher version."""
        overlay = await self._step.writing()
        found: Snapshot | None = overlay.get(SNAPSHOTS, stream)
        if found is None or found.version <= snapshot.version:
            overlay.put(SNAPSHOTS, stream, snapshot)


class InMemoryStorageKinds:
    """The `StorageKinds` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def get(self, aggregate: str) -> str | None:
        """Return the recorded kind of an aggregate name, or None."""
        found: str | None = self._step.reading().get(KINDS, aggregate)
        return found

    async def add(self, aggregate: str, kind: str) -> None:
        """Record a kind, unless one is recorded."""
        overlay = await self._step.writing()
        if overlay.get(KINDS, aggregate) is None:
            overlay.put(KINDS, aggregate, kind)
