"""Snapshots: the state of an event-sourced aggregate at some version, so that not all of its events must be read."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Snapshot(NamedTuple):
    """A stored state. It is only a cache: it may be missing, old, or written by another release.

    Attributes:
        version: how many events of the stream it includes.
        snapshot_version: the `snapshot_version` of the aggregate's class that wrote it; another one is ignored.
        data: the state as JSON text.
    """

    version: int
    snapshot_version: int
    data: str


class Snapshots(Protocol):
    """Read and write one snapshot for each stream, in the transaction of its events: `WriteTransaction.snapshots`."""

    async def get(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        ...

    async def put(self, stream: str, snapshot: Snapshot) -> None:
        """Store a snapshot, unless the stored one has a higher version."""
        ...
