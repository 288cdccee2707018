"""Health: problems of a running application, for probes and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._subscriptions.status import SubscriptionStatus, count_parked
from ..errors import TransientFailure
from ..ports.schedule import ScheduledCommand
from ..ports.subscription_store import SubscriptionStore

if TYPE_CHECKING:
    from .running import Running

_NAMED = 10
"""How many stuck scheduled commands a probe names."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of an application at one moment.

    Attributes:
        problems: each problem in a sentence; empty when the application is healthy.
        subscriptions: the status of every subscription; empty when a store does not answer.
        holding_back: the open transactions that readers of the log wait for. A short one is not a problem.
    """

    problems: tuple[str, ...]
    subscriptions: tuple[SubscriptionStatus, ...]
    holding_back: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


async def health(running: Running) -> Health:
    """Return what a probe needs. An event that waits for a retry is not a problem: it succeeds, or it is parked."""
    try:
        found = await subscription_statuses(running)
        # A process that works claims free partitions itself.
        names = [] if running.parts.work else [each.name for each in found if each.state != "inline"]
        nobody = [name for name in names if not await _is_owned(running.store_of(name).subscriptions, name)]
        stuck = await running.parts.write.schedule.stuck(limit=_NAMED)
        holding_back = await running.parts.write.log.holding_back()
    except TransientFailure as error:
        return Health((f"a store does not answer: {error}",), (), ())
    problems = [
        *(f"{each.name} fails: {each.error}" for each in found if each.state == "failing"),
        *(f"{each.name} has parked {each.parked} event(s): retry or discard them" for each in found if each.parked),
        *(f"nobody runs {name}: start a worker" for name in nobody),
        *map(_stuck, stuck),
        *running.messaging.problems(),
        *(
            f"a background task ended with {type(each).__name__}: {each}. Restart this process"
            for each in running.supervisor.failures
        ),
    ]
    return Health(tuple(problems), tuple(found), tuple(holding_back))


async def subscription_statuses(running: Running) -> Sequence[SubscriptionStatus]:
    """Return the status of every subscription, in the order of registration."""
    log = running.parts.write.log
    head = await log.head()
    statuses = [SubscriptionStatus(each.name, "projection", "inline", head, 0) for each in running.assembly.inline]
    for worker in running.workers:
        subscription, checkpoint = worker.subscription, await running.checkpoint(worker)
        lag = await log.count(after=checkpoint.position, upto=head) if checkpoint.position < head else 0
        error = "" if worker.error is None else f"{type(worker.error).__name__}: {worker.error}"
        parked, retrying = await count_parked(subscription.store.parked, subscription.name, checkpoint)
        statuses.append(
            SubscriptionStatus(
                subscription.name, subscription.kind, worker.state, checkpoint.position, lag, parked, retrying, error
            )
        )
    return statuses


async def _is_owned(subscriptions: SubscriptionStore, subscription: str) -> bool:
    partitions = await subscriptions.partitions(subscription)
    return bool(partitions) and all(partition.owner is not None for partition in partitions)


def _stuck(command: ScheduledCommand) -> str:
    return (
        f"{command.name}, scheduled as {command.id!r}, failed {command.attempts} time(s): {command.reason}. "
        "Retry it, or cancel it"
    )
