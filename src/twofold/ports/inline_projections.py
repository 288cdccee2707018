"""Inline projections, as the store of their event log records them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class RecordedInline(NamedTuple):
    """The committed records of the inline projections of an event log: `EventLog.inline`.

    Attributes:
        generation: a number that grows with each change of the records, from 0. `LogWriter.append` compares it.
        views: the views of each projection with its events, as `InlineProjections.record` stored them.
    """

    generation: int
    views: Mapping[str, str]


class InlineProjections(Protocol):
    """The inline projections of an event log: `WriteTransaction.inline`.

    Every transaction that appends events must also write the rows of these projections. The records say which projections
    these are, and their generation fences off processes that have others. A record is also a lock: the transactions that
    hold it run one after another, from `hold` to their end, so that each of them reads the rows that the one before has
    written. A transaction locks records before it appends or locks the log.
    """

    async def hold(self, projections: Collection[str]) -> None:
        """Lock the records of some projections until the end of the transaction.

        Wait while another transaction holds one of them, and read what that transaction has committed from then on. Call it
        before the first append of the transaction, so that positions ascend in the order in which transactions write rows.
        A store whose appends run one after another anyway may lock nothing.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def record(self, projection: str, views: str) -> None:
        """Store a record, or replace it, and hold it. Wait while another transaction holds it.

        The generation grows, unless the same record is stored already.

        Args:
            projection: the name of the projection.
            views: its views with their fields, and its events. A store compares the text, and does not read it.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def delete(self, projection: str) -> bool:
        """Delete a record; return whether it existed. If so, the generation grows. Wait as `record` does.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...
