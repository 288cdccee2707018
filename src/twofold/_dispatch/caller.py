"""Who dispatches a message, as the pipeline of the message finds it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from .._consistency.conversation import Conversation
from .._definitions.position import Position
from .scope import Claim, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """A session that dispatches a message. Inside a handler, the `Scope` of the handler stands in its place.

    Attributes:
        conversation: the conversation that the message belongs to.
        scope: the handler whose unit of work the message joins; None outside of handlers.
        claim: claimed before the handler of the message runs.
        needed: the position that the read models of a query must have passed.
    """

    conversation: Conversation
    scope: Scope | None = None
    claim: Claim | None = None
    needed: Position | None = None


current: ContextVar[Caller | Scope | None] = ContextVar("twofold.current", default=None)


def handling() -> Scope | None:
    """Return the scope of the command or event that is being handled here, whose unit of work a dispatch joins."""
    caller = current.get()
    return None if caller is None else caller.scope
