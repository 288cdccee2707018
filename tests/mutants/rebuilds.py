"""Stores on which a rebuild is noticed, loses something, or does it twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twofold.ports import START, Checkpoint, Lease, Position, RowChange, Selection
from twofold.ports.rows import Ordering

from .broken import Around, BrokenStore, Flat, break_store, break_transaction
from .leases import Robs, now
from .mutant import Mutant
from .partitions import DropsWhenDividing, dividing


class Shadows(Around):
    """A transaction whose shadow rows are broken; each subclass breaks one method."""

    def __init__(self, inner: Any, store: Any, _read_only: bool) -> None:
        super().__init__(inner)
        self.store = store

    async def all_of(self, view: Any, *, shadow: bool = False) -> Sequence[Any]:
        """Return the rows of a view as this transaction sees them."""
        found: Sequence[Any] = await self.inner.rows(view, shadow=shadow).select(
            Selection(order_by=(Ordering(view.view_key),))
        )
        return found


class OneSet(Shadows):
    """Takes shadow rows for the others."""

    def rows(self, view: Any, *, shadow: bool = False) -> Any:
        return self.inner.rows(view)


class KeepsOldRows(Shadows):
    """Adds the shadow rows to those that are there."""

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        old = {view: await self.all_of(view) for view in views}
        await self.inner.swap_shadows(views)
        for view, rows in old.items():
            there = {row.key for row in await self.all_of(view)}
            kept = [RowChange(row.key, row, Position(START + 1)) for row in rows if row.key not in there]
            await self.inner.rows(view).write(kept)


class KeepsShadows(Shadows):
    """Copies the shadow rows, and leaves them where they are."""

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        shadows = {view: await self.all_of(view, shadow=True) for view in views}
        await self.inner.swap_shadows(views)
        for view, rows in shadows.items():
            changes = [RowChange(row.key, row, Position(START + 1)) for row in rows]
            await self.inner.rows(view, shadow=True).write(changes)


class ForgetsPositions(Shadows):
    """Swaps rows without the positions that changed them last."""

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        rows = {view: await self.all_of(view, shadow=True) for view in views}
        await self.inner.clear_shadows(views)
        await self.inner.swap_shadows(views)
        for view, found in rows.items():
            await self.inner.rows(view).write([RowChange(row.key, row, Position(START + 1)) for row in found])


class NoSwap(Shadows):
    """Does not swap."""

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        return None


class Commits(Shadows):
    """Commits by itself behind a swap, as a database does that changes tables."""

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        await self.inner.swap_shadows(views)
        await self.commit_now()

    async def commit_now(self) -> None:
        """Commit, and go on in another transaction."""
        await self.inner.commit()
        self.inner = Flat(await self.store.begin())


class CommitsDivided(Commits):
    """Moves the checkpoint to where the new rows are before they are there."""

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        await self.inner.divide(subscription, checkpoints, leases=leases)
        await self.commit_now()

    async def swap_shadows(self, views: Sequence[Any]) -> None:
        await self.inner.swap_shadows(views)


class ClearsTheOthers(Shadows):
    """Clears the rows that are read as well."""

    async def clear_shadows(self, views: Sequence[Any]) -> None:
        await self.inner.clear_shadows(views)
        await self.inner.swap_shadows(views)


class ClearsNothing(Shadows):
    """Leaves the rows of an earlier rebuild."""

    async def clear_shadows(self, views: Sequence[Any]) -> None:
        return None


class ClearsAtCreation(Around):
    """Drops shadow rows that are there when they are to be made where they are missing."""

    async def create_shadows(self, views: Sequence[Any]) -> None:
        await self.inner.create_shadows(views)
        transaction = await self.inner.begin()
        try:
            await transaction.shadows.clear(views)
            await transaction.commit()
        finally:
            await transaction.rollback()


class KeepsCheckpoints(Shadows):
    """Leaves the checkpoints of a projection where they are when its rows are swapped."""

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        if leases and checkpoints:
            checkpoints = [each.checkpoint for each in await self.store.partitions(subscription)]
        await self.inner.divide(subscription, checkpoints, leases=leases)


class DividesAll(BrokenStore):
    """Begins every other subscription anew when one is divided."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda transaction, *_: _DividesOthers(transaction, self.inner, self.known))
        self.known: set[str] = set()

    async def claim(self, subscription: str, *args: Any, **how: Any) -> Any:
        self.known.add(subscription)
        return await self.inner.claim(subscription, *args, **how)


class _DividesOthers(Around):
    def __init__(self, inner: Any, store: Any, known: set[str]) -> None:
        super().__init__(inner)
        self._store = store
        self._known = known

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        await self.inner.divide(subscription, checkpoints, leases=leases)
        for other in sorted(self._known - {subscription}) if leases else ():
            anew = [
                Checkpoint(START, each.checkpoint.log, each.checkpoint.parked)
                for each in await self._store.partitions(other)
            ]
            if anew:
                await self.inner.divide(other, anew, leases=await now(self._store, other))


class AdoptsNothing(Shadows):
    """Leaves parked events with whom they are."""

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        return None


class AdoptsAsWell(Shadows):
    """Adds parked events to those that are there."""

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        before = await self.store.read_parked(subscription)
        await self.inner.adopt_parked(subscription, of=of)
        await self.inner.park(subscription, before)


class NeverForces(Around):
    """Leaves partitions with those that hold them, whatever was asked for."""

    async def claim(self, subscription: str, owner: str, *, force: bool = False, **how: Any) -> Any:
        return await self.inner.claim(subscription, owner, **how)


class Unguarded(Shadows):
    """Moves a checkpoint wherever it stands, and whoever has the lease."""

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        if lease is not None:
            lease = (await now(self.store, subscription))[lease.partition]
            expected = (await self.store.partitions(subscription))[lease.partition].checkpoint
        await self.inner.advance(subscription, expected=expected, to=to, lease=lease)


def _step(name: str, killed_by: str, part: Callable[[Any, Any, bool], Any]) -> Mutant:
    return Mutant(name, killed_by, break_transaction(part))


def _store(name: str, killed_by: str, part: Callable[[Any], Any]) -> Mutant:
    return Mutant(name, killed_by, break_store(part))


REBUILDS: Sequence[Mutant] = (
    _step("shadow rows are read", "test_shadow_rows_are_apart", OneSet),
    _step("shadow rows stay when they are swapped", "test_a_swap_replaces_all_rows", KeepsShadows),
    _step("old rows stay beside the new ones", "test_a_swap_replaces_all_rows", KeepsOldRows),
    _step("swapped rows lose their positions", "test_swapped_rows_keep_their_positions", ForgetsPositions),
    _step("the swap commits by itself", "test_a_swap_is_rolled_back", Commits),
    _step("shadow rows are not cleared", "test_shadows_are_cleared", ClearsNothing),
    _store("shadow rows are lost when made again", "test_shadows_are_cleared", ClearsAtCreation),
    _step("the rows that are read are cleared", "test_shadows_are_cleared", ClearsTheOthers),
    _step("a rebuild swaps nothing", "test_the_new_rows_replace_the_old", NoSwap),
    _store("leases cannot be taken by force", "test_the_new_rows_replace_the_old", NeverForces),
    _step("a rebuild writes where queries read", "test_while_it_fills_the_old_rows_are_read", OneSet),
    _step("a rebuild empties what queries read", "test_while_it_fills_the_old_rows_are_read", ClearsTheOthers),
    _step("the checkpoint stays behind", "test_the_swap_takes_the_checkpoint_along", KeepsCheckpoints),
    Mutant(
        "the checkpoint is forgotten in the swap",
        "test_the_swap_takes_the_checkpoint_along",
        dividing(lambda checkpoint, _: Checkpoint(START, checkpoint.log, checkpoint.parked)),
    ),
    _store("other subscriptions begin anew", "test_no_event_handler_runs", DividesAll),
    _step("rows change before their checkpoint", "test_a_crash_leaves_the_old_rows", Commits),
    _step("a checkpoint moves before its rows", "test_a_crash_leaves_the_old_rows", CommitsDivided),
    _store("what was filled is lost in a crash", "test_it_goes_on_where_it_was", ClearsAtCreation),
    _step("a restart keeps what was filled", "test_a_restart_begins_with_no_rows", ClearsNothing),
    _store("two may rebuild", "test_one_rebuilds_at_a_time", Robs),
    _step(
        "a worker that was away moves the checkpoint",
        "test_a_worker_that_was_away_during_the_swap_writes_nothing",
        Unguarded,
    ),
    _step("parked events are not adopted", "test_parked_events_are_those_of_the_new_rows", AdoptsNothing),
    _step("old parked events stay", "test_parked_events_are_those_of_the_new_rows", AdoptsAsWell),
    _step("rows that are made no more stay", "test_parked_events_are_those_of_the_new_rows", KeepsOldRows),
    _step("parked events are lost in the swap", "test_parked_events_are_those_of_the_new_rows", DropsWhenDividing),
    Mutant(
        "parked events are not counted in the swap",
        "test_parked_events_are_those_of_the_new_rows",
        dividing(lambda checkpoint, _: Checkpoint(checkpoint.position, checkpoint.log)),
    ),
)
"""Each is killed by the named test of `RebuildSuite`."""
