"""Let the relay publish events again that a broker has confirmed and lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._background.signal import Signal
from .._definitions.position import Position
from .._subscriptions.decoded_log import DecodedLog
from .._subscriptions.replay import replay
from .._subscriptions.subscription import Subscription
from ..ports.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class RelayAgain:
    """The `Republish` of a running application.

    Attributes:
        relays: the subscriptions of the relay.
        log: the event log.
        owner: the name of this process.
        seconds: the duration of a lease.
        appended: wakes the relay.
    """

    relays: Sequence[Subscription]
    log: DecodedLog
    owner: str
    seconds: float
    appended: Signal

    async def begin(self, after: Checkpoint) -> None:
        """Move the checkpoint of the relay back to an earlier one."""
        if await self.log.lost([after]):
            raise LookupError(
                f"the broker has the events up to position {after.position}, and the event log has lost the event there"
            )
        for relay in self.relays:
            await replay(relay, after.position, self.log, self.owner, self.seconds)
        self.appended.send()

    async def passed(self, position: Position) -> None:
        """Return when the relay has published the events up to a position."""

        async def has_passed() -> bool:
            stored = [await relay.store.subscriptions.checkpoint(relay.name) for relay in self.relays]
            return all(each is not None and each.position >= position for each in stored)

        await poll_until(has_passed, Backoff(0.01, 0.5))
