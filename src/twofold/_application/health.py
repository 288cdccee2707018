"""Health: problems of a running application, for probes and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._background.failures import description
from .._definitions.thresholds import Thresholds
from .._subscriptions.status import SubscriptionStatus
from ..errors import StorageError, TransientFailure, TwofoldError, UnreadableRow
from ..ports.cache import CacheKey, CacheStore
from ..ports.event_log import BlockingTransaction
from .consumer_status import ConsumerStatus, consumer_problems, consumer_statuses
from .problems import Problem, ProblemCode
from .process_health import process_problems
from .schedule_health import schedule_problems
from .statuses import subscription_statuses
from .subscription_health import note_of, subscription_problems

if TYPE_CHECKING:
    from .running import Running

_PROBE = CacheKey("twofold.health", "probe")
"""A key that no query has."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of an application at one moment.

    Attributes:
        problems: what is wrong, each with a stable code; empty when the application is healthy.
        subscriptions: the status of every subscription; empty when a store does not answer or fails.
        blocking_transactions: the open transactions that readers of the log wait for. A transaction that is open for longer
            than `Thresholds.lag` is a problem.
        notes: what an operator has decided and should not forget, such as a paused subscription. A note is not a problem.
        consumers: the status of every consumer; empty when a store does not answer or fails.
    """

    problems: tuple[Problem, ...]
    subscriptions: tuple[SubscriptionStatus, ...]
    blocking_transactions: tuple[str, ...]
    notes: tuple[Problem, ...] = ()
    consumers: tuple[ConsumerStatus, ...] = ()

    @classmethod
    def of_failure(cls, error: TransientFailure | StorageError) -> Health:
        """Return the health of an application whose store fails, also of one that this error keeps from starting."""
        if isinstance(error, TransientFailure):
            problem = _of_store("store_unavailable", f"a store does not answer: {error}")
        else:
            problem = _of_store("store_failed", f"a store fails: {error}")
        return cls((problem,), (), ())

    @property
    def healthy(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    @property
    def ready(self) -> bool:
        """Whether the stores answer, so that the application can handle messages, for a readiness probe.

        Other problems, such as parked events or an unavailable broker, do not count: every replica has them, so that a
        probe that failed for them would stop all replicas.
        """
        return not any(each.code in ("store_unavailable", "store_failed") for each in self.problems)


async def health(running: Running, thresholds: Thresholds) -> Health:
    """Return the result of a health probe. A pending retry is not a problem: the event succeeds, or it is parked.

    A store, cache or broker that fails, for whatever reason, is a problem, and never an error of the probe.
    """
    try:
        found = await subscription_statuses(running)
        problems = [
            *subscription_problems(found, thresholds, works=running.parts.work),
            *await schedule_problems(running, thresholds.overdue),
            *await process_problems(running),
            *await _unreadable(running),
            *await running.messaging.losses(),
        ]
        consumers = await consumer_statuses(running)
        blocking = await running.parts.write.log.blocking_transactions()
    except (TransientFailure, StorageError) as error:
        return Health.of_failure(error)
    problems += [_blocked(each) for each in blocking if thresholds.lag is not None and each.seconds > thresholds.lag]
    problems += [*await _cache(running.parts.cache), *running.messaging.problems(), *consumer_problems(consumers)]
    problems += _background(running)
    paused = [*((each.name, each.pause) for each in consumers), *((each.name, each.pause) for each in found)]
    notes = [note_of(name, pause) for name, pause in paused if pause is not None]
    texts = tuple(each.text for each in blocking)
    return Health(tuple(problems), tuple(found), texts, tuple(notes), tuple(consumers))


def _of_store(code: ProblemCode, text: str) -> Problem:
    return Problem(code, "critical", "", text, "Check the database and the connection to it.")


def _blocked(transaction: BlockingTransaction) -> Problem:
    text = f"an open transaction keeps all readers of the event log waiting: {transaction.text}"
    advice = "End the transaction in the database. Subscriptions process no later event before that."
    return Problem("readers_blocked", "critical", "", text, advice)


async def _unreadable(running: Running) -> Sequence[Problem]:
    """Return the rows that this process could not read, and still cannot."""
    rows = running.assembly.services.unreadable
    if not rows:
        return ()
    transaction = await running.parts.read.begin(read_only=True)
    try:
        return [_unreadable_row(each) for each in await rows.left(transaction)]
    finally:
        await transaction.rollback()


def _unreadable_row(error: UnreadableRow) -> Problem:
    name = error.view.view_name
    return Problem(
        "unreadable_row",
        "warning",
        name,
        f"{name} has an unreadable row: {error}",
        "Rebuild the projection of the view.",
    )


async def _cache(cache: CacheStore | None) -> Sequence[Problem]:
    """Return the problem of a cache that does not answer."""
    if cache is None:
        return ()
    try:
        await cache.lookup(_PROBE, None)
    except TwofoldError as error:
        text = f"the cache does not answer: {description(error)}"
        return [
            Problem("cache_unavailable", "warning", "", text, "Check the cache. Queries run their handlers meanwhile.")
        ]
    return ()


def _background(running: Running) -> Iterator[Problem]:
    """Yield the problems of the background work of this process."""
    error = running.notifications.failure
    if error is not None:
        yield Problem(
            "notifier_unavailable",
            "warning",
            "",
            f"notifications between processes fail: {description(error)}",
            "Check the notifier. Readers poll meanwhile, within half a second.",
        )
    for failure in running.supervisor.failures:
        text = f"a background task failed and was restarted: {description(failure)}"
        yield Problem("task_failed", "warning", "", text, "The log of the process has the traceback.")
