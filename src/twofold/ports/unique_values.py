"""Unique values: which owner has claimed a value, such as an email address."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol


class UniqueValue(NamedTuple):
    """The stored record of a claimed value.

    Attributes:
        key: a hash of tenant, scope and value: 64 hexadecimal digits. Equal keys mean the same value.
        tenant: the tenant of the claim; empty without tenants.
        scope: the name of the set of values in which the value is unique, at most 200 characters.
        owner: the id of the owner, at most 200 characters.
        time: when the value was claimed or transferred, UTC.
    """

    key: str
    tenant: str
    scope: str
    owner: str
    time: datetime


class UniqueValues(Protocol):
    """Claim values in the transaction of the command: `WriteTransaction.unique`.

    A claim belongs to its transaction. Other transactions see it after the commit; a rollback, also of a savepoint, undoes
    it. When several transactions claim the same value at the same time, one gets it and the others *wait* in `claim` until
    that transaction has ended. After its commit they receive its record; after its rollback the next one gets the value. A
    claim of a value that another transaction has released waits in the same way.

    Owners that differ in a single character, in case, or by a space at the end are different owners.
    """

    async def claim(self, value: UniqueValue) -> UniqueValue | None:
        """Store a record, or return the record that is stored already, also if its owner is the same.

        Args:
            value: the record to store.

        Returns:
            None when the value was free and is now claimed; otherwise the stored record.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def release(self, value: UniqueValue) -> bool:
        """Delete the record of a value, if its owner is the one given. Return whether it was deleted.

        Raises:
            TransientFailure: the wait for another transaction that changes the record timed out. Roll this one back.
        """
        ...

    async def transfer(self, value: UniqueValue, *, to: str) -> bool:
        """Replace the owner of a value, if its owner is the one given, and set its time. Return whether it was replaced.

        Args:
            value: the record, with the present owner and the new time.
            to: the new owner.

        Raises:
            TransientFailure: the wait for another transaction that changes the record timed out. Roll this one back.
        """
        ...
