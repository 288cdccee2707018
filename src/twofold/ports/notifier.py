"""Notifications between processes that there are new events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Notifier(Protocol):
    """Wake the readers of other processes early.

    A notification may be lost or late, or stand for several appends. Readers also poll, so a notifier only makes them
    faster, and its failure never fails a command.
    """

    async def announce(self, log: str, origin: str) -> None:
        """Notify all watchers that events were appended.

        Args:
            log: the identity of the log.
            origin: identifies the sender, in at most 100 ASCII characters.

        Raises:
            TransientFailure: the notification was not sent.
        """
        ...

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        """Call `notify` once when the subscription is active, for earlier notifications, then at each one, until cancelled.

        Args:
            log: the identity of the log. Notifications about other logs are ignored.
            notify: called with the origin of each notification, and first with an empty text; does not wait.

        Raises:
            TransientFailure: the subscription is lost. Call `watch` again.
        """
        ...
