"""The input of a handler that runs durable steps, and the place where the outside calls of steps are performed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID, uuid5

from ..ports.transactions import WriteTransaction


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input of a handler: its steps are stored under the owner and the id.

    Attributes:
        owner: the name of the subscription.
        id: the id of the event.
    """

    owner: str
    id: UUID

    def key(self, step: str) -> str:
        """Return the idempotency key of a step. It is the same in each attempt and in each process."""
        return str(uuid5(self.id, f"{self.owner}\0{step}"))

    async def forget(self, transaction: WriteTransaction) -> None:
        """Delete the records of the steps, in the transaction that ends the handling of the input."""
        await transaction.steps.delete(self.owner, self.id)


class StepCall(NamedTuple):
    """An outside call of a step.

    Attributes:
        subscription: the name of the subscription whose handler runs the step.
        event: the id of the event that is handled.
        step: the name of the step.
        key: the idempotency key that the call is given.
    """

    subscription: str
    event: UUID
    step: str
    key: str


Perform: TypeAlias = Callable[[StepCall, Callable[[str], Awaitable[Any]]], Awaitable[Any]]
"""Performs an outside call, given the function that makes the call with its key."""


async def _perform(call: StepCall, make: Callable[[str], Awaitable[Any]]) -> Any:
    return await make(call.key)


@dataclass(slots=True)
class OutsideCalls:
    """The place where the outside calls of an application are performed. A test may replace the function.

    Attributes:
        perform: performs a call.
    """

    perform: Perform = field(default=_perform)
