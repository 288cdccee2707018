"""The inbox: a consumer takes each message once, although a broker may deliver it several times."""

from __future__ import annotations

from typing import Any

from .keys import check_key
from .scope import NEW, Scope


class Received:
    """The claim of a message that a consumer received from a broker.

    Attributes:
        first: whether this delivery was handled, and no earlier one.

    Args:
        consumer: the name of the consumer.
        id: the id of the message.

    Raises:
        InvalidKey: the consumer or the id is empty or too long.
    """

    attempt: int = 1
    key: str | None = None

    def __init__(self, consumer: str, id: str) -> None:
        self._consumer = check_key("the name of a consumer", consumer)
        self._id = check_key("the id of a message", id)
        self.first = False

    def lock_key(self) -> object:
        """Return the lock key, which is equal for deliveries of the same message to the same consumer."""
        return "message", self._consumer, self._id

    async def claim(self, scope: Scope) -> Any:
        """Store the id of the message; return `NEW`, or None for a duplicate."""
        unit = scope.unit_of_work()
        transaction, now = await unit.transaction(), scope.services.write.clock.now()
        self.first = await unit._guard(transaction.inbox.claim(self._consumer, self._id, time=now))
        return NEW if self.first else None

    async def handled(self, scope: Scope, result: Any) -> None:
        """Do nothing: the stored id is enough."""
