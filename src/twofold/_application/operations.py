"""Operations on a running application: inspect, repair, rebuild."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio

from .._background.log_lines import logger_of
from .._definitions.cache import CacheStats
from .._definitions.position import START, Position
from .._definitions.topology import Topology
from .._subscriptions.status import SubscriptionStatus
from .._writing.transactions import writing
from ..ports.schedule import ScheduledCommand
from ..ports.stores import WriteStore
from .consumer_operations import ConsumerOperations
from .operating import check_number
from .parked_operations import ParkedOperations
from .path_operations import PathOperations
from .pause_operations import PauseOperations
from .process_operations import ProcessOperations
from .source_operations import SourceOperations
from .statuses import subscription_statuses
from .step_operations import StepOperations

if TYPE_CHECKING:
    from .running import Running

logger = logger_of("twofold.operations")


class Operations(
    PathOperations,
    ParkedOperations,
    StepOperations,
    PauseOperations,
    ConsumerOperations,
    ProcessOperations,
    SourceOperations,
):
    """Inspect, repair and rebuild a running application: `app.operations`.

    Every call except `topology` and `unregister_inline` raises `ApplicationNotRunning` when the application is not entered.

    Args:
        running: returns the running application, or raises `ApplicationNotRunning`.
        topology: reads the topology from the wiring.
        write: the store of the event log.
    """

    def __init__(self, running: Callable[[], Running], topology: Callable[[], Topology], write: WriteStore) -> None:
        super().__init__(running)
        self._topology = topology
        self._write = write

    def topology(self) -> Topology:
        """Return the parts of the application and the flows between them, for a diagram."""
        return self._topology()

    async def unregister_inline(self, projection: str) -> bool:
        """Unregister an inline projection that no application has any more. Call this before the application starts.

        An application that appends events must have every inline projection of its event log. The rows are not deleted.

        Args:
            projection: the name of the projection.

        Returns:
            Whether the event log had the projection.
        """
        async with writing(self._write) as transaction:
            return await transaction.inline.delete(projection)

    async def status(self) -> Sequence[SubscriptionStatus]:
        """Return the status of every projection, event handler, process and relay, in the order of registration.

        Raises:
            TransientFailure: a store does not answer.
            StorageError: a store fails. `Application.health()` reports both as problems, and never raises them.
        """
        return await subscription_statuses(self._running())

    def cache_stats(self) -> CacheStats:
        """Return the hits, misses and failures of the cache in this process since the application was entered."""
        answers = self._running().assembly.answers
        return answers.stats if answers is not None else CacheStats()

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
        now, services = await running.log.now(running.parts.write), running.assembly.services
        found = await postpone(services, command, again=now, attempts=0, reason=command.reason)
        services.scheduled.send()
        return found

    async def delete_records(self, *, older_than: timedelta) -> int:
        """Delete old idempotency keys and inbox entries now. A running application does this by itself (`keep_records`).

        The records are deleted in small transactions. A command whose key was deleted runs again when it is repeated.

        Args:
            older_than: the minimum age of deleted records, by the application's clock.

        Returns:
            The number of deleted records.
        """
        from .retention import delete_records

        parts = self._running().parts
        return await delete_records(parts.write, parts.clock, older_than)

    async def fill_tags(self, *, batch: int = 500, progress: Callable[[int], object] = lambda _: None) -> int:
        """Add the tags of stored events whose class declares more tags than it did when they were stored.

        Until then, `Boundary.read` raises `TagsIncomplete` for these tags. Run it when every process has the release that
        declares the tags. The next call continues an interrupted one. Appends wait only during the last batch.

        Args:
            batch: the number of events of one transaction, at least 1.
            progress: called with the number of events of one class that were read, after each batch.

        Returns:
            The number of events that were read; 0 if all tags were complete.

        Raises:
            UndecodableEvent: a stored event has invalid data, so its tags are unknown.
        """
        from .tag_operations import TagFill, tagged_types

        running = self._running()
        types, done = running.assembly.event_types, 0
        check_number("fill tags", "batch", batch, 1, None)
        for event_type in tagged_types(types):
            types.learn([event_type])
            done += await TagFill(running.parts.write, types, event_type, batch).run(progress)
        return done

    async def rebuild(
        self, projection: str, *, restart: bool = False, progress: Callable[[int, int], object] = lambda *_: None
    ) -> None:
        """Rebuild a projection's rows from the whole log (blue/green), and swap them in one step.

        Queries read the old rows, kept up to date, until the swap, and the new rows after it. No event handler runs.
        The next call resumes an interrupted rebuild.

        Args:
            projection: the name of a projection.
            restart: start again from the beginning of the log, because the code has changed since the interruption.
            progress: called with the position that the rebuild has reached and the one that it must reach.

        Raises:
            LookupError: there is no such projection.
            RebuildRunning: another process rebuilds it.
            RebuildFailed: it is inline, and fails on a stored event.
        """
        await self._rebuild(projection, restart, progress)

    async def replay(self, subscription: str, *, after: int | datetime) -> Position:
        """Replay (rewind) an event handler or a relay, or let it skip ahead: it continues after a position or a time.

        **Side effects run again**: every event after the position is handled, also those that were handled before. A
        position after the checkpoint skips the events in between. The change is logged as a warning. It is safe while the
        subscription runs here or elsewhere, and takes effect within a third of the lease.

        Parked events after the position are deleted, because they are handled again. Earlier ones stay parked.

        The times of events are those of the processes that recorded them, and of the source for events of other
        applications. If they are not in order, the result is approximate; use a position then.

        Args:
            subscription: the name of an event handler or a relay.
            after: the position of the last event that is not handled again (`Envelope.position`), 0 for all events, or the
                time up to which events are not handled again, with a time zone.

        Returns:
            The position after which the subscription continues.

        Raises:
            LookupError: there is no such subscription, or the log has no event at the position: it is beyond the last one,
                for example.
            ValueError: the subscription is a projection, the position is negative, or the time has no time zone or is in
                the future.
        """
        from .._subscriptions.replay import replay

        running = self._running()
        found = {each.name: each for each in running.assembly.subscriptions}
        inline = {each.name for each in running.assembly.inline}
        if subscription in inline or (subscription in found and found[subscription].kind == "projection"):
            raise ValueError(
                f"cannot replay the projection {subscription!r}: handling events again would change its rows again. Call "
                f"app.operations.rebuild({subscription!r}), which fills new rows from the whole log."
            )
        running.store_of(subscription)
        if isinstance(after, int):
            check_number(f"replay {subscription!r}", "after", after, START, None)
        with ExitStack() as moving:
            for worker in running.workers:
                if worker.subscription.name == subscription:
                    moving.enter_context(worker.moving())
            return await replay(found[subscription], after, running.log, running.owner, running.parts.lease)

    async def realign(self, projection: str | None = None, *, timeout: float | None = None) -> Sequence[str]:
        """Repair projections after the event log has lost its last events; see `EventsLost`.

        A projection is rebuilt from the log, so that rows of lost events disappear. Cached answers that may contain lost
        events are dropped. For an event handler or a relay, call `replay` with the last position whose event was handled.

        Args:
            projection: the name of a projection; by default every projection whose checkpoint is lost.
            timeout: how long to wait for a rebuild, in seconds; None for no limit.

        Returns:
            The names of the projections that were repaired.

        Raises:
            LookupError: there is no such projection.
            ValueError: an event handler or a relay has lost its checkpoint, too, or was named. Projections are repaired
                before this error is raised.
            TimeoutError: a rebuild was not finished by then. The next call continues it.
            TransientFailure: a store or the cache does not answer. Call it again.
        """
        running = self._running()
        lost = await self._lost(running) if projection is None else [projection]
        kinds = {each.name: each.kind for each in running.assembly.subscriptions}
        others = [name for name in lost if kinds.get(name, "projection") not in ("projection", "cache")]
        rebuilt = [name for name in lost if kinds.get(name, "projection") == "projection"]
        with anyio.fail_after(timeout):
            for name in rebuilt:
                await self._rebuild(name, False, lambda *_: None)
            for name in lost:
                if kinds.get(name) == "cache":
                    await self._drop_answers(name)
        if others:
            raise ValueError(
                f"cannot realign {', '.join(map(repr, others))} without a position: Twofold cannot know which events were "
                "processed. Call app.operations.replay(name, after=...) with the last position whose event was processed."
            )
        running.notifications.appended.send()
        return rebuilt

    async def _drop_answers(self, subscription: str) -> None:
        """Drop the answers that a subscription invalidates, which continues at the end of the log."""
        from .._subscriptions.replay import replay

        running = self._running()
        parts, (invalidation,) = (
            running.parts,
            [each for each in running.assembly.subscriptions if each.name == subscription],
        )
        await replay(invalidation, await running.log.events.head(), running.log, running.owner, parts.lease)
        answers = [
            each.kept_as(running.identity) for each in running.assembly.cached if each.subscription == subscription
        ]
        if parts.cache is not None:
            await parts.cache.invalidate_queries(answers)

    async def _lost(self, running: Running) -> Sequence[str]:
        return [
            worker.subscription.name
            for worker in running.workers
            if await running.log.lost(await running.checkpoints(worker))
        ]

    async def _rebuild(self, projection: str, restart: bool, progress: Callable[[int, int], object]) -> None:
        from .._caching.cached_query import invalidate_answers
        from .._subscriptions.inline_rebuild import InlineRebuild
        from .._subscriptions.projection import ProjectionProcessor
        from .._subscriptions.rebuild import Rebuild

        running = self._running()
        assembly, more = running.assembly, (running.assembly.services, running.log, running.owner, running.parts.lease)
        projections: Mapping[str, Callable[[], Rebuild | InlineRebuild]] = {
            each.name: partial(Rebuild, each, each.processor.projection, *more)
            for each in assembly.subscriptions
            if isinstance(each.processor, ProjectionProcessor)
        } | {each.name: partial(InlineRebuild, each, *more) for each in assembly.inline}
        if projection not in projections:
            raise LookupError(
                f"cannot rebuild {projection!r}: there is no such projection. Projections: "
                f"{', '.join(projections) or 'none'}."
            )
        logger.info("projection %s: a rebuild starts", projection)
        await projections[projection]().run(progress, restart=restart)
        logger.info("projection %s: the rebuild has finished", projection)
        await invalidate_answers(running.parts.cache, assembly.cached, projection, running.identity)
