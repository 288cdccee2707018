"""Conversations: the shared state of the messages of one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._background.tasks import RunningTask
from .._definitions.envelope import Origin
from .known import KnownEvents
from .seen import Seen

if TYPE_CHECKING:
    from .arrivals import Arrivals


class Conversation:
    """The writes that a session has seen, and the metadata that its caller gives to its messages."""

    __slots__ = ("origin", "owner", "seen")

    def __init__(self, origin: Origin, seen: Seen, owner: object) -> None:
        self.origin = origin
        self.seen = seen
        self.owner = owner

    def continued(self, owner: object) -> Conversation:
        """Return this conversation for another task. What one has seen, the other has seen too."""
        return Conversation(self.origin, self.seen, owner)


@dataclass(slots=True, eq=False)
class Conversations:
    """Opens the conversations of an application.

    Attributes:
        running: returns the task that opens a conversation.
        known: verifies that events are in the log.
        log: the identity of the log, once the stores are open.
        arrivals: which events of other logs have arrived here; None when the application receives none.
    """

    running: RunningTask
    known: KnownEvents
    log: str = ""
    arrivals: Arrivals | None = None

    def open(self, origin: Origin | None = None, token: str | None = None) -> Conversation:
        """Open a conversation for the current task.

        Args:
            origin: the metadata that the caller gives to its messages.
            token: the consistency token of an earlier session, whose writes this one must see.

        Raises:
            InvalidToken: the token is malformed.
            ForeignLog: the token belongs to another log.
        """
        seen = Seen(self.log, self.arrivals, self.known)
        if token:
            seen.resume(token)
        return Conversation(origin or Origin(), seen, self.running.get())
