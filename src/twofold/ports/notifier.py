"""Notifications between processes that there is something to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Notifier(Protocol):
    """Wake the readers of other processes early.

    A notification may be lost, come late, or stand for several; readers look again after a while all the same. So nothing is
    promised but speed, and nothing here may fail a command.
    """

    async def announce(self, log: str) -> None:
        """Tell whoever watches that events were appended.

        Args:
            log: the identity of the log.

        Raises:
            TransientFailure: nobody could be told.
        """
        ...

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        """Call `heard` once when it is listened, for what was announced before, then at each notification, until cancelled.

        Args:
            log: the identity of the log; notifications about other ones are not heard.
            heard: called without waiting for anything.

        Raises:
            TransientFailure: notifications cannot be heard any more. Watch again.
        """
        ...
