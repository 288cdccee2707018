"""Snapshots: the state of an event-sourced aggregate at some version, so that not all of its events need be read."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Snapshot(NamedTuple):
    """A state as it was kept. A cache and no more: it may be lost, be old, or be of another release.

    Attributes:
        version: how many events of the stream it stands for.
        fingerprint: says which code made it; another one is not to be trusted.
        data: the state as JSON text.
    """

    version: int
    fingerprint: str
    data: str


class SnapshotTransaction(Protocol):
    """Read and keep snapshots, one a stream, in the transaction of the events."""

    async def snapshot(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        ...

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the one that is there, unless that one has a higher version."""
        ...
