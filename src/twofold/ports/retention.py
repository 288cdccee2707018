"""Delete records that are older than their retention period."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Retention(Protocol):
    """Delete old records of one kind: `WriteStore.keys` and `WriteStore.inbox`."""

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete records older than a time, the oldest first, in one short transaction; return how many were deleted.

        Args:
            before: records of this time and later stay.
            limit: the maximum number of records to delete. A smaller result means that no older record is left.
        """
        ...
