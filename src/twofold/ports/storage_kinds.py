"""Which kind of storage the aggregates of a type use, so that nobody changes it by accident."""

from __future__ import annotations

from typing import Protocol


class StorageKinds(Protocol):
    """Note the kind of storage of each aggregate type, "state" or "events": `WriteTransaction.storage_kinds`."""

    async def get(self, aggregate: str) -> str | None:
        """Return the kind that this or a committed transaction noted for an aggregate name, or None."""
        ...

    async def add(self, aggregate: str, kind: str) -> None:
        """Note a kind without waiting for other transactions. The kind that was noted first stays."""
        ...
