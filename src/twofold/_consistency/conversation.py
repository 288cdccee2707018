"""Conversations: what the messages of one session have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._background.tasks import RunningTask
from .._definitions.envelope import Origin
from .seen import Seen

if TYPE_CHECKING:
    from .arrivals import Arrivals


class Conversation:
    """The writes that a session has seen, and what its caller says about its messages.

    A conversation belongs to the task that opened it.

    Attributes:
        origin: the tenant, trace and headers of its messages.
        seen: the writes that its queries must see.
        owner: the task that opened it.
    """

    __slots__ = ("origin", "owner", "seen")

    def __init__(self, origin: Origin, seen: Seen, owner: object) -> None:
        self.origin = origin
        self.seen = seen
        self.owner = owner


class Conversations:
    """Opens the conversations of an application.

    Args:
        running: returns the task that opens a conversation.
    """

    def __init__(self, running: RunningTask) -> None:
        self._running = running
        self._log = ""
        self._arrivals: Arrivals | None = None

    def start(self, log: str, arrivals: Arrivals | None) -> None:
        """Set what is known once the stores are open.

        Args:
            log: the identity of the application's log.
            arrivals: which events of other applications have arrived here; None when this one receives none.
        """
        self._log, self._arrivals = log, arrivals

    def open(self, origin: Origin | None = None, token: str | None = None) -> Conversation:
        """Open a conversation for the current task.

        Args:
            origin: what the caller says about its messages.
            token: the consistency token of an earlier session, whose writes this one must see.

        Raises:
            InvalidToken: the token is malformed.
            ForeignLog: the token belongs to another log.
        """
        seen = Seen(self._log, self._arrivals)
        if token:
            seen.resume(token)
        return Conversation(origin or Origin(), seen, self._running.get())
