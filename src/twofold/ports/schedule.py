"""The schedule: commands that are dispatched at a later time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

STORED_YEARS: Final = range(1_000, 9_999)
"""The years of times that every store can keep. The core refuses other times before they reach a store."""


class ScheduledCommand(NamedTuple):
    """An entry of the schedule.

    Attributes:
        tenant: the tenant that scheduled it; empty without tenants.
        id: the id that replaces and cancels the entry, at most 200 characters; each tenant has ids of its own.
        entry: unique for each call that schedules, so that an earlier entry of the same id is not mistaken for this one.
        due: when the command is to be dispatched, UTC.
        name: the stable name of the command.
        schema: the version of its fields.
        data: its fields, as JSON text.
        metadata: the envelope of the message that scheduled it, as JSON text.
        again: the time of the next attempt, UTC, at first `due`; None when all attempts failed and an operator must decide.
        attempts: how often it has failed.
        reason: the last error in words, with its class: valid Unicode, without NUL.
    """

    tenant: str
    id: str
    entry: UUID
    due: datetime
    name: str
    schema: int
    data: str
    metadata: str
    again: datetime | None
    attempts: int = 0
    reason: str = ""


class ScheduleReader(Protocol):
    """Read the committed schedule: `WriteStore.schedule`."""

    async def next(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return at most `limit` entries in the order of their next attempt; entries of the same time in order of id.

        An entry with a damaged value is returned as far as it can be read, with None for a time that cannot be read, so
        that it does not hide other entries. An entry whose next attempt would be after the last of `STORED_YEARS` is not
        among them, but among those that `stuck` returns.
        """
        ...

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return at most `limit` entries that wait for an operator, in the order in which they were due."""
        ...


class ScheduleWriter(Protocol):
    """Change the schedule, atomic with everything else in the transaction: `WriteTransaction.schedule`.

    Ids that differ in a single character, in case, or by a space at the end are different ids.
    """

    async def put(self, command: ScheduledCommand) -> None:
        """Store an entry; it replaces the entry with the same tenant and id.

        Raises:
            TransientFailure: the wait for another transaction that changes the entry timed out. Roll this one back.
        """
        ...

    async def cancel(self, tenant: str, id: str) -> bool:
        """Delete an entry; return whether there was one. Waits until a transaction that has taken the entry ends.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def take(self, command: ScheduledCommand) -> bool:
        """Delete exactly this entry, so that its effect and its removal are committed together.

        Returns:
            Whether it was there. A store that locks single entries treats an entry that another transaction has locked
            as absent, so that the call does not wait. If several transactions take the same entry, one of them gets it.
        """
        ...

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Set the next attempt of exactly this entry, and why the last one failed; return whether it was there."""
        ...
