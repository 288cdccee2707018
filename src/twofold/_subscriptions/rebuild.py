"""Build a projection anew beside the rows that are read, and swap both in one step.

The new rows are filled by a subscription of its own, from the beginning of the log, while the old ones are read and kept up
to date. When it has nearly caught up, and no event is held any more, it takes the leases of the projection's partitions, so
that the old rows stand still; deals with the few events that are left; and replaces rows, checkpoints and parked events in
one transaction. A crash before that leaves the old rows as they are, and the next rebuild goes on where this one ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isinf

import anyio

from .._background.signal import Signal
from .._definitions.position import START, Position
from .._dispatch.services import Services
from .._writing.transactions import writing
from ..errors import CheckpointMoved, RebuildRunning, TransientFailure
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.stores import ReadStore
from ..ports.subscription_store import Partition
from .effects import ProjectionEffect
from .partition_loop import PAGE, LeaseLost, Runner
from .partition_steps import Log
from .partitions import shares
from .projection import Projection
from .subscription import Subscription

Between = Callable[[Position], Awaitable[None]]
"""Awaited after each page."""

Report = Callable[[int, int], object]
"""Told how far a rebuild is and how far it has to go, in positions of the log."""


class Rebuild:
    """One rebuild of one projection.

    Args:
        subscription: the projection's subscription.
        projection: the projection.
        services: what its application offers.
        log: the log.
        owner: what this process is called.
        lease: how long others wait when this process dies in the middle, in seconds.
    """

    def __init__(
        self, subscription: Subscription, projection: Projection, services: Services, log: Log, owner: str, lease: float
    ) -> None:
        effect = ProjectionEffect(replace(projection, shadow=True), services)
        self._live = subscription
        self._shadow = replace(subscription, name=f"{subscription.name}@rebuild", effect=effect, partitions=1)
        self._views = sorted(projection.views, key=lambda view: view.view_name)
        self._store: ReadStore = subscription.store
        self._log = log
        self._owner = owner
        self._seconds = lease

    async def run(self, report: Report, *, restart: bool) -> None:
        """Build, and swap.

        Args:
            report: told how far it is.
            restart: begin anew where an earlier rebuild was left unfinished.

        Raises:
            RebuildRunning: another process rebuilds this projection.
        """
        await self._store.create_shadows(self._views)
        lease = await self._claim(restart)
        try:
            while True:
                await self._fill(lease, report)
                if await self._swap(lease, report):
                    return
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.subscriptions.release([lease])

    async def _claim(self, restart: bool) -> Lease:
        """Take the right to rebuild; the first time, or to restart, begin with empty rows."""
        name = self._shadow.name
        if not await self._store.subscriptions.partitions(name):
            await self._begin(())
        leases = await self._store.subscriptions.claim(name, self._owner, seconds=self._seconds, limit=1)
        if not leases:
            raise RebuildRunning(
                f"cannot rebuild {self._live.name!r}: another process does, or did until just now. Wait until it has "
                f"finished; {self._seconds:g} s after it died you can go on where it was."
            )
        if not restart:
            return leases[0]
        await self._begin(leases)
        return await self._claim(restart=False)

    async def _begin(self, leases: Sequence[Lease]) -> None:
        with suppress(CheckpointMoved):  # another process began just now, and will hold the lease
            async with writing(self._store) as transaction:
                first = Checkpoint(START, self._log.identity)
                await transaction.checkpoints.divide(self._shadow.name, [first], leases=leases)
                parked = await self._store.parked.read(self._shadow.name)
                await transaction.parked.remove(self._shadow.name, [each.event.position for each in parked])
                await transaction.shadows.clear(self._views)

    async def _fill(self, lease: Lease, report: Report) -> None:
        """Apply the log to the new rows until less than a page is left, and no event waits for its next try.

        What is held is waited for here, while the old rows are kept up to date: swapped in without it, the new rows could
        be older than those that were read before.
        """
        while True:
            head = await self._log.events.head()
            place = (await self._place()).position
            report(place, head)
            left, renew = await self._log.events.count(after=place, upto=head), self._renewing([lease], report, head)
            try:
                next_try = await self._runner(lease).catch_up(head, renew)
                if left < PAGE and isinf(next_try):
                    return
                if left < PAGE:
                    await anyio.sleep(min(next_try, self._seconds / 3))
                    await renew(head)
            except (CheckpointMoved, LeaseLost) as error:
                raise RebuildRunning(
                    f"cannot go on rebuilding {self._live.name!r}: another process took it over."
                ) from error

    async def _place(self) -> Checkpoint:
        """Return how far the new rows are.

        Raises:
            TransientFailure: the store has lost them.
        """
        partitions = await self._store.subscriptions.partitions(self._shadow.name)
        if not partitions:
            raise TransientFailure(
                f"cannot go on rebuilding {self._live.name!r}: its store has lost the rows that were gathered, as a "
                "Redis does that loses its memory. Rebuild it anew."
            )
        return partitions[0].checkpoint

    def _renewing(self, leases: Sequence[Lease], report: Report, upto: Position) -> Between:
        async def between(place: Position) -> None:
            report(place, upto)
            if len(await self._store.subscriptions.renew(leases, seconds=self._seconds)) < len(leases):
                raise CheckpointMoved(f"another process took {self._live.name!r} over while it was rebuilt.")

        return between

    async def _swap(self, lease: Lease, report: Report) -> bool:
        """Let the old rows stand still, deal with what is left, and replace them; return False to fill again first."""
        name, limit = self._live.name, 1_000_000
        held = await self._store.subscriptions.claim(name, self._owner, seconds=self._seconds, limit=limit, force=True)
        try:
            live = await self._store.subscriptions.partitions(name)
            top = max((partition.checkpoint.position for partition in live), default=START)
            upto = max(top, await self._log.events.head())
            next_try = await self._runner(lease).catch_up(upto, self._renewing([lease, *held], report, upto))
            return isinf(next_try) and await self._replace(live, held, lease)
        except CheckpointMoved:
            return False  # it took longer than the leases last
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.subscriptions.release(held)

    async def _replace(self, live: Sequence[Partition], held: Sequence[Lease], lease: Lease) -> bool:
        name, count = self._live.name, len(live) or self._live.partitions
        place = await self._place()
        parked = shares(await self._store.parked.keys(self._shadow.name), count)
        places = [replace(place, parked=share) for share in parked]
        async with writing(self._store) as transaction:
            await transaction.checkpoints.divide(name, places, leases=held)
            await transaction.checkpoints.divide(self._shadow.name, (), leases=[lease])
            await transaction.parked.adopt(name, of=self._shadow.name)
            await transaction.shadows.swap(self._views)
        return True

    def _runner(self, lease: Lease) -> Runner:
        return Runner(self._shadow, lease, 1, self._log, Signal(), Signal(), lambda: None)
