"""The inbox: each consumer takes a message once, however often a broker delivers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .once import NEW, check_key

if TYPE_CHECKING:
    from .scope import Scope


class Received:
    """A message that a consumer got from a broker.

    Attributes:
        first: whether it was taken now, and not before.

    Args:
        consumer: who takes it.
        id: the message's id.

    Raises:
        InvalidKey: one of them is empty or too long.
    """

    def __init__(self, consumer: str, id: str) -> None:
        self._consumer = check_key("the name of a consumer", consumer)
        self._id = check_key("the id of a message", id)
        self.first = False

    def turn(self) -> object:
        """Return what is equal for deliveries of the same message to the same consumer."""
        return "message", self._consumer, self._id

    async def claim(self, scope: Scope) -> Any:
        """Note the message; return `NEW`, or None when it was taken before."""
        unit = scope.unit_of_work()
        transaction, now = await unit.transaction(), scope.services.write.clock.now()
        self.first = await unit._guard(transaction.inbox.claim(self._consumer, self._id, time=now))
        return NEW if self.first else None

    async def handled(self, scope: Scope, result: Any) -> None:
        """Need nothing more: the note is enough."""
