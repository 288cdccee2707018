"""The status of the subscriptions of a running application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._background.failures import description
from .._consistency.age import LagTime, lag_time
from .._consistency.lag import lag_in_events
from .._definitions.position import Position
from .._subscriptions.contents import incomplete_in
from .._subscriptions.losses import lost_by
from .._subscriptions.owners import workers_of
from .._subscriptions.status import SubscriptionState, SubscriptionStatus, count_parked
from .._subscriptions.worker import Worker
from ..ports.checkpoints import Checkpoint
from ..ports.subscription_store import Partition

if TYPE_CHECKING:
    from .running import Running

_NO_LAG = LagTime(0.0)
_SHORT = 1.0
"""Seconds for which a transaction may keep readers waiting while the lag counts as known."""
_LOST = LagTime(None, "the log has lost the event at the checkpoint", "events_lost")


async def subscription_statuses(running: Running) -> Sequence[SubscriptionStatus]:
    """Return the status of every subscription, in the order of registration."""
    head = await running.parts.write.log.head()
    inline = [SubscriptionStatus(each.name, "projection", "inline", head, 0) for each in running.assembly.inline]
    partitions = [await running.partitions(worker) for worker in running.workers]
    lost = await running.log.lost([each.checkpoint for several in partitions for each in several])
    blocking = await running.parts.write.log.blocking_transactions()
    blocked = [LagTime(None, each.text, "open_transaction") for each in blocking if each.seconds > _SHORT]
    statuses = _Statuses(running, head, lost, next(iter(blocked), _NO_LAG))
    found = [await statuses.of(each, several) for each, several in zip(running.workers, partitions, strict=True)]
    return [*inline, *found]


class _Statuses:
    """Reads the statuses of subscriptions at one moment.

    Args:
        running: the running application.
        head: the last position of the log.
        lost: the checkpoints whose event the log has lost.
        at_head: the lag of a subscription that has processed every readable event. It is not known while a transaction
            keeps readers waiting, since later events are committed.
    """

    def __init__(self, running: Running, head: Position, lost: Sequence[Checkpoint], at_head: LagTime) -> None:
        self._running = running
        self._head = head
        self._lost = lost
        self._at_head = at_head
        self._times: dict[Position, LagTime] = {}

    async def of(self, worker: Worker, partitions: Sequence[Partition]) -> SubscriptionStatus:
        """Return the status of a worker's subscription."""
        log, subscription = self._running.parts.write.log, worker.subscription
        checkpoints = [each.checkpoint for each in partitions]
        checkpoint = self._running.lowest(checkpoints)
        parked, retrying = await count_parked(subscription.store.parked, subscription.name, checkpoint)
        lost = [each for each in checkpoints if each in self._lost]
        changed = incomplete_in(subscription, checkpoints)
        pause = partitions[0].pause if partitions else None
        failure = lost_by(subscription, lost[0], self._head) if lost else worker.error or changed
        state: SubscriptionState = "paused" if pause is not None else worker.state
        time = _LOST if lost else await self._time(checkpoint)
        return SubscriptionStatus(
            name=subscription.name,
            kind=subscription.kind,
            state="failing" if lost or changed else state,
            position=checkpoint.position,
            lag=await lag_in_events(log, after=checkpoint.position, upto=self._head),
            parked=parked,
            retrying=retrying,
            error="" if failure is None else description(failure),
            skipped=worker.skipped,
            pause=pause,
            lag_seconds=time.seconds,
            lag_unknown=time.unknown,
            lag_unknown_code=time.reason,
            workers=workers_of(partitions),
            covered=bool(partitions) and all(each.owner is not None for each in partitions),
        )

    async def _time(self, checkpoint: Checkpoint) -> LagTime:
        """Return the lag in seconds. Subscriptions at the same position are read once."""
        if checkpoint.position >= self._head:
            return self._at_head
        if checkpoint.position not in self._times:
            parts = self._running.parts
            self._times[checkpoint.position] = await lag_time(parts.write.log, checkpoint, parts.clock.now())
        return self._times[checkpoint.position]
