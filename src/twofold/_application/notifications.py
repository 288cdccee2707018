"""Notifications: processes tell each other that events were appended, so that readers need not wait for their next poll."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio

from .._background.signal import Signal
from ..errors import TransientFailure
from ..ports.event_log import EventLog
from ..ports.notifier import Notifier

logger = logging.getLogger("twofold.running")

_RECONNECT = 1.0
"""Seconds until this process listens again after notifications were lost."""

_LONG = 3600.0


@dataclass(frozen=True, slots=True)
class Notifications:
    """Announces appended events to other processes, and listens to theirs. Readers poll all the same.

    Attributes:
        log: the event log.
        identity: the identity of the log.
        notifier: carries the notifications; the log does so itself by default.
        committed: sent when this process has appended events.
        appended: sent when this or another process has appended events.
    """

    log: EventLog
    identity: str
    notifier: Notifier | None
    committed: Signal
    appended: Signal

    async def announce(self) -> None:
        """Announce appended events to other processes until cancelled. Several appends become one notification."""
        seen = self.committed.count
        while True:
            await self.committed.wait(seen, _LONG)
            if self.committed.count != seen:
                seen = self.committed.count
                try:
                    await (self.notifier.announce(self.identity) if self.notifier else self.log.announce())
                except TransientFailure as error:
                    logger.debug("Other processes were not notified of new events: %s", error)

    async def listen(self) -> None:
        """Wake the readers of this process at each notification of another one, until cancelled."""
        while True:
            try:
                heard = self.appended.send
                await (self.notifier.watch(self.identity, heard) if self.notifier else self.log.watch(heard))
            except TransientFailure as error:
                logger.warning("Notifications of other processes do not arrive; readers poll instead: %s", error)
            await anyio.sleep(_RECONNECT)
