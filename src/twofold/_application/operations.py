"""What operators do with a running application: inspect, repair, rebuild."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from .._background.backoff import Backoff
from .._background.polling import poll_until
from .._definitions.cache import CacheStats
from .._subscriptions.status import SubscriptionStatus
from .._writing.transactions import writing
from ..errors import CheckpointMoved
from ..ports.checkpoints import Lease
from ..ports.parked import ParkedEvent
from ..ports.schedule import ScheduledCommand
from .health import subscription_statuses

if TYPE_CHECKING:
    from .running import Running


class Operations:
    """What operators do with a running application: `app.operations`.

    Every call raises `ApplicationNotRunning` when the application is not entered.
    """

    def __init__(self, running: Callable[[], Running]) -> None:
        self._running = running

    async def status(self) -> Sequence[SubscriptionStatus]:
        """Return the status of every projection, event handler and relay, in the order of registration."""
        return await subscription_statuses(self._running())

    def cache_stats(self) -> CacheStats:
        """Return the hits, misses and failures of the cache in this process since the application was entered."""
        answers = self._running().assembly.answers
        return answers.stats if answers is not None else CacheStats()

    async def parked(self, subscription: str) -> Sequence[ParkedEvent]:
        """Return the parked events (dead letters) of a subscription and those that wait for a retry, with the reasons.

        An event whose `again` is a time is retried then, and later events of its key wait behind it. The others stay
        parked until `retry` or `discard`.

        Args:
            subscription: the name of a projection, event handler or relay.

        Raises:
            LookupError: there is no such subscription.
        """
        return await self._running().store_of(subscription).parked.read(subscription)

    async def retry(self, subscription: str, key: str, *, timeout: float = 30.0) -> Sequence[ParkedEvent]:
        """Retry the parked events of a key now, in order, until one fails again.

        The process that runs the subscription retries them, perhaps another one; this call waits for it.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: their ordering key.
            timeout: how long to wait, in seconds.

        Returns:
            The events of the key that are still set aside; none after success. The first of them failed again.

        Raises:
            LookupError: there is no such subscription, or no event of this key is parked or waits for a retry.
            TimeoutError: no process has finished the retry by then; the request stays.
        """
        from .._subscriptions.status import nothing_parked

        running = self._running()
        with anyio.fail_after(timeout):
            store, now = running.store_of(subscription), running.parts.clock.now()
            if not await store.parked.read(subscription, key=key):
                raise await nothing_parked("retry", store.parked, subscription, key)
            async with writing(store) as transaction:
                await transaction.parked.retry(subscription, key, at=now)

            async def was_tried() -> bool:
                again = (await store.parked.retries(subscription)).get(key)
                if again is None or again > now:
                    return True
                running.notifications.appended.send()
                running.assembly.services.consistency.awaited.send()
                return False

            await poll_until(was_tried, Backoff(0.01, 0.5))
            return await store.parked.read(subscription, key=key)

    async def discard(self, subscription: str, key: str) -> Sequence[ParkedEvent]:
        """Delete the parked events of a key for ever, and return them. Later events of the key are handled again.

        Args:
            subscription: the name of a projection, event handler or relay.
            key: their ordering key.

        Raises:
            LookupError: there is no such subscription, or no event of this key is parked or waits for a retry.
        """
        from .._definitions.partitioning import partition_of
        from .._subscriptions.status import nothing_parked

        store = self._running().store_of(subscription)
        while True:
            partitions = await store.subscriptions.partitions(subscription)
            parked = await store.parked.read(subscription, key=key)
            if not parked:
                raise await nothing_parked("discard", store.parked, subscription, key)
            number, checkpoint, generation, _ = partitions[partition_of(key, len(partitions))]
            left = replace(checkpoint, parked=checkpoint.parked - len(parked))
            lease = Lease(subscription, number, generation)
            with suppress(CheckpointMoved):
                async with writing(store) as transaction:
                    await transaction.parked.remove(subscription, [each.event.position for each in parked])
                    await transaction.checkpoints.advance(subscription, expected=checkpoint, to=left, lease=lease)
                return parked

    async def scheduled(self, *, limit: int = 100) -> Sequence[ScheduledCommand]:
        """Return the scheduled commands that are due next, at most `limit`, the earliest first."""
        return await self._running().parts.write.schedule.next(limit=limit)

    async def stuck(self, *, limit: int = 100) -> Sequence[ScheduledCommand]:
        """Return scheduled commands that have used up their attempts, at most `limit`, the earliest first."""
        return await self._running().parts.write.schedule.stuck(limit=limit)

    async def retry_scheduled(self, command: ScheduledCommand) -> bool:
        """Retry a stuck scheduled command now, with all its attempts.

        Args:
            command: as `stuck` returned it.

        Returns:
            Whether the command was still there.
        """
        from .timers import postpone

        running = self._running()
        now, services = running.parts.clock.now(), running.assembly.services
        found = await postpone(services, command, again=now, attempts=0, reason=command.reason)
        services.scheduled.send()
        return found

    async def delete_records(self, *, older_than: timedelta) -> int:
        """Delete old idempotency keys and inbox entries now. A running application does this by itself (`keep_records`).

        The records are deleted in small transactions. A command whose key was deleted runs again when it is repeated.

        Args:
            older_than: the minimum age of what is deleted, by the application's clock.

        Returns:
            The number of deleted records.
        """
        from .retention import Retention

        parts = self._running().parts
        return await Retention(parts.write, parts.clock).forget(older_than)

    async def rebuild(
        self, projection: str, *, restart: bool = False, progress: Callable[[int, int], object] = lambda *_: None
    ) -> None:
        """Rebuild a projection's rows from the whole log (blue/green), and swap them in one step.

        Queries read the old rows, kept up to date, until the swap, and the new rows after it. No event handler runs.
        The next call resumes an interrupted rebuild.

        Args:
            projection: the name of an asynchronous projection.
            restart: start again from the beginning of the log, because the code has changed since the interruption.
            progress: called with the position that the rebuild has reached and the one that it must reach.

        Raises:
            LookupError: there is no such projection.
            RebuildRunning: another process rebuilds it.
        """
        from .._caching.cached_query import forget_answers
        from .._subscriptions.projection_processor import ProjectionProcessor
        from .._subscriptions.rebuild import Rebuild

        running = self._running()
        parts, assembly = running.parts, running.assembly
        projections = {
            each.name: (each, each.processor.projection)
            for each in assembly.subscriptions
            if isinstance(each.processor, ProjectionProcessor)
        }
        if projection not in projections:
            raise LookupError(
                f"cannot rebuild {projection!r}: there is no such asynchronous projection. "
                f"Asynchronous projections: {', '.join(projections) or 'none'}."
            )
        subscription, planned = projections[projection]
        rebuild = Rebuild(subscription, planned, assembly.services, running.log, running.owner, parts.lease)
        await rebuild.run(progress, restart=restart)
        await forget_answers(parts.cache, assembly.cached, projection, running.identity)
