"""The caller of a message, as the pipeline of the message finds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from .._background.current import current as ambient
from .._consistency.conversation import Conversation
from .._definitions.envelope import Envelope, Origin
from .._definitions.position import Position
from .scope import Claim, Scope, new_envelope
from .services import Services

Wait: TypeAlias = Callable[[Sequence[str]], Awaitable[None]]
"""Waits until projections have the writes of a session."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A session that dispatches a message. Inside a handler, the `Scope` of the handler stands in its place.

    Attributes:
        conversation: the conversation that the message belongs to.
        scope: the handler whose unit of work the message joins; None outside of handlers.
        claim: claimed before the handler of the message runs.
        needed: the position that the read models of a query must have passed.
        wait: waits for the projections of the queries that the handler of a query executes.
    """

    conversation: Conversation
    scope: Scope | None = None
    claim: Claim | None = None
    needed: Position | None = None
    wait: Wait | None = None

    recorded: ClassVar[None] = None
    """A session does not write, so that aggregates do not report their events to it."""


current: ContextVar[Caller | Scope | None] = ambient
"""The caller of messages in the current task."""

# Bound once: a call of a method of an imported object binds it each time.
current_caller: Final = current.get
set_caller: Final = current.set
reset_caller: Final = current.reset


def envelope_of(services: Services, message: Any) -> Envelope[Any]:
    """Return a new envelope for a message that is dispatched here."""
    caller = current_caller()
    if caller is None:
        return new_envelope(services, message, Origin(), None)
    origin = caller.conversation.origin if caller.scope is None else caller.scope.envelope
    return new_envelope(services, message, origin, caller.claim if isinstance(caller, Caller) else None)


def handling() -> Scope | None:
    """Return the scope of the command or event that is being handled here, whose unit of work a dispatch joins."""
    caller = current_caller()
    return None if caller is None else caller.scope
