"""Idempotency keys of commands: which command was handled under a key, and its result."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple, Protocol

LONGEST_KEY: Final = 200
"""The maximum length of tenants, keys, names of consumers and ids of messages, in characters."""


class KeyRecord(NamedTuple):
    """The stored record of a command that was dispatched with an idempotency key.

    Attributes:
        command: the name of the command.
        payload: a keyed hash of its fields: 64 characters, and another one for each key.
        time: when it was handled, UTC.
        result: the handler's return value as JSON text; None while the command is being handled.
        token: the consistency token of its writes, as `Session.token` returns it; empty when it wrote nothing.
    """

    command: str
    payload: str
    time: datetime
    result: str | None = None
    token: str = ""


class IdempotencyKeys(Protocol):
    """Claim keys in the transaction whose effects must happen once: `WriteTransaction.keys`.

    A claim belongs to its transaction. Other transactions see it after the commit; a rollback, also of a savepoint, undoes
    it. When several transactions claim the same key at the same time, one gets it and the others *wait* in `claim` until
    that transaction has ended. After its commit they receive its record; after its rollback the next one gets the key.

    Names that differ in a single character, in case, or by a space at the end are different names.
    """

    async def claim(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Store a record without a result, or return the record that is stored already.

        Args:
            tenant: the owner of the key; empty without tenants. Equal keys of two tenants are different keys.
            key: the key.
            record: the record to store.

        Returns:
            None when the key was free and is now claimed; otherwise the stored record. A record without a result was
            stored by this transaction.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def answer(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Store result and token in the record of a key that this transaction has claimed."""
        ...
