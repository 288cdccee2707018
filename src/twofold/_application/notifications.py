"""Notifications: a process notifies others of new events, so that readers need not wait for their next poll."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import anyio

from .._background.log_lines import logger_of
from .._background.signal import Signal
from ..errors import TransientFailure
from ..ports.event_log import EventLog
from ..ports.notifier import Notifier

logger = logger_of("twofold.running")

_RECONNECT = 1.0
"""Seconds until this process listens again after notifications were lost."""


_REPORTED = 10.0
"""Seconds for which a failure is reported. A failing connection fails again within this time."""


@dataclass(slots=True, eq=False)
class Notifications:
    """Announces appended events to other processes, and listens to theirs. Readers poll all the same.

    Notifications of this process also come back. They do not wake its readers, which were woken by the commit: the readers
    would read the log again for nothing.

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
    _origin: UUID = field(default_factory=uuid4, init=False)
    _failed: tuple[float, TransientFailure] | None = field(default=None, init=False)

    @property
    def failure(self) -> TransientFailure | None:
        """The last failure to notify other processes or to listen to them; None after ten seconds without one."""
        if self._failed is None or anyio.current_time() - self._failed[0] > _REPORTED:
            return None
        return self._failed[1]

    async def announce(self) -> None:
        """Announce appended events to other processes until cancelled. Several appends become one notification."""
        seen = self.committed.count
        while True:
            await self.committed.wait(seen)
            seen = self.committed.count
            try:
                if self.notifier is None:
                    await self.log.announce(str(self._origin))
                else:
                    await self.notifier.announce(self.identity, str(self._origin))
            except TransientFailure as error:
                self._failed = anyio.current_time(), error
                logger.debug("Other processes were not notified of new events: %s", error)

    async def listen(self) -> None:
        """Wake the readers of this process at each notification of another one, until cancelled."""
        while True:
            try:
                if self.notifier is None:
                    await self.log.watch(self._received)
                else:
                    await self.notifier.watch(self.identity, self._received)
            except TransientFailure as error:
                self._failed = anyio.current_time(), error
                logger.warning("Notifications of other processes do not arrive; readers poll instead: %s", error)
            await anyio.sleep(_RECONNECT)

    def _received(self, origin: str) -> None:
        if origin != str(self._origin):
            self.appended.send()
