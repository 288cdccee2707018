"""The inbox: which messages of a broker were received, so that a redelivery has no effect."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Inbox(Protocol):
    """Claim messages in the transaction that records their effects: `WriteTransaction.inbox`.

    Claims behave like those of `IdempotencyKeys`: they commit or roll back with their transaction, concurrent claims of the
    same message wait for each other, and names are compared exactly.
    """

    async def claim(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Record the receipt of a message. Return False if it is already recorded, in this transaction or earlier.

        Args:
            consumer: the name of the consumer. Each consumer receives a message once.
            id: the message's id.
            time: when it is received, UTC.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...
