"""Notifications: processes tell each other that events were appended, so that readers need not wait for their next poll."""

from __future__ import annotations

import logging

import anyio

from .._background.signal import Signal
from ..errors import TransientFailure
from ..ports.event_log import EventLog
from ..ports.notifier import Notifier

logger = logging.getLogger("twofold.running")

_RECONNECT = 1.0
"""Seconds until this process listens again after notifications were lost."""

_LONG = 3600.0


class Notifications:
    """Announces appended events to other processes, and listens to theirs. Readers poll all the same.

    Args:
        log: the event log.
        identity: the identity of the log.
        notifier: carries the notifications; the log does so itself by default.
        committed: sent when this process has appended events.
        received: sent when this or another process has appended events.
    """

    def __init__(
        self, log: EventLog, identity: str, notifier: Notifier | None, committed: Signal, received: Signal
    ) -> None:
        self._log = log
        self._identity = identity
        self._notifier = notifier
        self._appended = appended
        self.received = Signal()
        """Sent when this or another process has appended events."""
        appended.forward(self.received)

    async def announce(self) -> None:
        """Announce appended events to other processes until cancelled. Several appends become one notification."""
        seen = self._appended.count
        while True:
            await self._appended.wait(seen, _LONG)
            if self._appended.count != seen:
                seen = self._appended.count
                try:
                    await (self._notifier.announce(self._identity) if self._notifier else self._log.announce())
                except TransientFailure as error:
                    logger.debug("Other processes were not notified of new events: %s", error)

    async def listen(self) -> None:
        """Wake the readers of this process at each notification of another one, until cancelled."""
        while True:
            try:
                heard = self.received.send
                await (self._notifier.watch(self._identity, heard) if self._notifier else self._log.watch(heard))
            except TransientFailure as error:
                logger.warning("Notifications of other processes do not arrive; readers poll instead: %s", error)
            await anyio.sleep(_RECONNECT)
