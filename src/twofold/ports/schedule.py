"""The schedule: commands that are to be dispatched later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class ScheduledCommand(NamedTuple):
    """A command that waits for its time.

    Attributes:
        tenant: whose it is; empty without tenants.
        id: by which it is replaced and cancelled, at most 200 characters; each tenant has ids of its own.
        entry: made anew each time that something is scheduled under the id, so that an earlier one is not mistaken for it.
        due: when it is to be dispatched, UTC.
        name: the stable name of the command.
        schema: the version of its fields.
        data: its fields, as JSON text.
        metadata: the envelope of the message that scheduled it, as JSON text.
        again: when it is tried next, UTC, at first when it is due; None when it has failed too often and waits for somebody.
        attempts: how often it has failed.
        reason: why it failed last, in words, with the class of the error: valid Unicode, without NUL.
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


class ScheduleTransaction(Protocol):
    """Change the schedule in the same atomic step as everything else in a transaction.

    Ids that differ in a single character, in case, or by a space at the end are different ids.
    """

    async def schedule(self, command: ScheduledCommand) -> None:
        """Write an entry, in place of one with the same tenant and id.

        Raises:
            TransientFailure: the wait for another transaction that changes the entry was given up. Roll this one back.
        """
        ...

    async def unschedule(self, tenant: str, id: str) -> bool:
        """Remove an entry; return whether there was one. Waits for a transaction that has taken it to end.

        Raises:
            TransientFailure: the wait was given up. The transaction must be rolled back.
        """
        ...

    async def take_scheduled(self, command: ScheduledCommand) -> bool:
        """Remove this very entry, so that its effect and its end are committed together.

        Returns:
            Whether it was there. Where a store locks single entries, one that another transaction holds counts as not
            there, so that nobody waits; and of several transactions that want the same entry one gets it.
        """
        ...

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Write when this very entry is tried next, and why not now; return whether it was there."""
        ...


class ScheduleStore(Protocol):
    """Look at the committed schedule."""

    async def scheduled(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return the entries that are tried next, at most so many, in the order of `again`; those of one time by id."""
        ...

    async def stuck(self, *, limit: int) -> Sequence[ScheduledCommand]:
        """Return entries that have failed too often, at most so many, in the order in which they were due."""
        ...
