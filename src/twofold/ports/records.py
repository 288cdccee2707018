"""Records of what was done once: idempotency keys of commands, and the inbox of messages from brokers."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple, Protocol

LONGEST_KEY: Final = 200
"""How long tenants, keys, names of consumers and ids of messages are at most, in characters."""


class KeyRecord(NamedTuple):
    """What is remembered of a command that was dispatched with an idempotency key.

    Attributes:
        command: what the command is called.
        payload: a hash of its fields.
        time: when it was handled, UTC.
        result: what its handler returned, as JSON text; None as long as it is being handled.
        token: how far it wrote, as `Session.token` says it; empty when it wrote nothing.
    """

    command: str
    payload: str
    time: datetime
    result: str | None = None
    token: str = ""


class RecordTransaction(Protocol):
    """Claim keys and messages in the same atomic step as the effects that are to happen once.

    A claim belongs to its transaction: it is there for others when the transaction has committed, and was never there
    when it rolled back; an undone savepoint takes its claims along. Of transactions that claim the same at once, one is
    served; the others *wait* in their claim until that one has ended. If it committed they find its record, and if it
    rolled back the next one is served.

    Names that differ in a single character, in case, or by a space at the end are different names.
    """

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Write a record without a result where there is none, or return the one that is there.

        Args:
            tenant: whose key it is; empty without tenants. Equal keys of two tenants have nothing to do with each other.
            key: the key.
            record: what to write.

        Returns:
            None when the key was free and is now claimed; otherwise the record. One without a result was written by this
            very transaction.

        Raises:
            TransientFailure: the wait was given up. The transaction must be rolled back.
        """
        ...

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Write result and token into the record of a key that this transaction has claimed."""
        ...

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Note that a consumer takes a message; return False when it is noted already, in this transaction or before.

        Args:
            consumer: who takes it. Each consumer takes a message once.
            id: the message's id.
            time: when it is taken, UTC.

        Raises:
            TransientFailure: the wait was given up. The transaction must be rolled back.
        """
        ...


class RecordStore(Protocol):
    """Forget records that are old. Each call is one short transaction of its own."""

    async def forget_keys(self, *, before: datetime, limit: int) -> int:
        """Delete records of keys older than a time, the oldest first; return how many.

        Args:
            before: records of this time and later ones stay.
            limit: how many to delete at most. Fewer than this many deleted means that none is left.
        """
        ...

    async def forget_messages(self, *, before: datetime, limit: int) -> int:
        """Delete notes of messages older than a time; otherwise as `forget_keys`."""
        ...
