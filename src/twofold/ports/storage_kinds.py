"""The kind of storage of each aggregate type, recorded so that it cannot change by accident."""

from __future__ import annotations

from typing import Protocol


class StorageKinds(Protocol):
    """Record the kind of storage of each aggregate type, "state" or "events": `WriteTransaction.storage_kinds`."""

    async def get(self, aggregate: str) -> str | None:
        """Return the kind that this or a committed transaction has recorded for an aggregate name, or None."""
        ...

    async def add(self, aggregate: str, kind: str) -> None:
        """Record a kind without waiting for other transactions. A kind that is already recorded stays."""
        ...
