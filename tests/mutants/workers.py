"""Stores on which several workers get in each other's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twofold.ports import START, Lease

from .broken import Around, break_store, break_transaction
from .leases import (
    AsksNothing,
    CountsOne,
    DividesAnyway,
    Endless,
    FirstPartition,
    ForgetsOwner,
    HighestCounts,
    KeepsParked,
    OldReason,
    ReleasesOthers,
    RenewsLost,
    Robs,
    Unfenced,
    now,
)
from .mutant import Mutant
from .partitions import AllAreAtTheHighest, DropsWhenDividing, KeepsPartitions, Renumbers, SortsAsText, dividing
from .rows import guard
from .subscription_store import NoKeys, writing


class HandsOutTwice(Around):
    """Gives what others hold as well, under the same generation."""

    async def claim(self, subscription: str, owner: str, *, limit: int, **how: Any) -> Any:
        leases = await self.inner.claim(subscription, owner, limit=limit, **how)
        return [*leases, *await now(self.inner, subscription)][:limit]


class KeepsWhatIsReleased(Around):
    """Lets a partition that was given back rest until its lease ends."""

    async def release(self, leases: Sequence[Lease]) -> None:
        return None


class ClaimsForever(Endless):
    """Lets no lease end, not even the first one."""

    async def claim(self, subscription: str, owner: str, *, seconds: float, **how: Any) -> Any:
        return await self.inner.claim(subscription, owner, seconds=max(seconds, 60.0), **how)


class NeverRenews(Around):
    """Says that every lease was renewed, and lets all of them end."""

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Any:
        return leases


class RenewsForOthers(Around):
    """Renews a partition for whoever holds it now."""

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Any:
        for lease in leases:
            held = await now(self.inner, lease.subscription)
            await self.inner.renew([each for each in held if each.partition == lease.partition], seconds=seconds)
        return leases


class CountsTheGone(Around):
    """Counts every worker that was ever here."""

    async def attend(self, subscription: str, owner: str, **_: Any) -> int:
        return int(await self.inner.attend(subscription, owner, seconds=60.0))


class KeepsTheRetried(Around):
    """Withdraws the wish to try an event again, and not the event."""

    def __init__(self, inner: Any, store: Any, _read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    async def unpark(self, subscription: str, positions: Sequence[Any]) -> int:
        for each in await self._store.read_parked(subscription):
            if each.event.position in positions:
                await self.inner.blame(subscription, each._replace(again=None))
        return len(positions)


class UnparksAll(Around):
    """Forgets every parked event of a subscription."""

    def __init__(self, inner: Any, store: Any, _read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    async def unpark(self, subscription: str, positions: Sequence[Any]) -> int:
        every = [each.event.position for each in await self._store.read_parked(subscription)]
        await self.inner.unpark(subscription, every)
        return len(positions)


WORKERS: Sequence[Mutant] = (
    Mutant("a lease is handed out twice", "test_one_works_and_the_other_stands_by", break_store(HandsOutTwice)),
    Mutant(
        "a partition that was given back is not free",
        "test_one_works_and_the_other_stands_by",
        break_store(KeepsWhatIsReleased),
    ),
    Mutant(
        "a subscription is begun twice", "test_workers_that_start_at_once_begin_once", break_transaction(DividesAnyway)
    ),
    Mutant("leases never end", "test_a_dead_worker_is_succeeded", break_store(ClaimsForever)),
    Mutant("the owner is not known", "test_a_dead_worker_is_succeeded", break_store(ForgetsOwner)),
    Mutant(
        "the generation is ignored",
        "test_a_worker_that_lost_its_partition_writes_nothing",
        break_transaction(Unfenced),
    ),
    Mutant(
        "a lost lease is released",
        "test_a_worker_that_lost_its_partition_writes_nothing",
        break_store(ReleasesOthers),
    ),
    Mutant(
        "a lost lease is renewed", "test_an_idle_worker_notices_that_it_lost_its_partition", break_store(RenewsLost)
    ),
    Mutant(
        "what another has claimed is renewed",
        "test_an_idle_worker_notices_that_it_lost_its_partition",
        break_store(RenewsForOthers),
    ),
    Mutant("a held partition is claimed", "test_a_slow_handler_is_not_robbed", break_store(Robs)),
    Mutant("leases are not renewed", "test_a_slow_handler_is_not_robbed", break_store(NeverRenews)),
    Mutant("a lease moves the first partition", "test_partitions_share_the_keys", break_transaction(FirstPartition)),
    Mutant(
        "partitions are numbered otherwise elsewhere",
        "test_a_key_falls_to_the_same_partition_everywhere",
        break_store(Renumbers),
    ),
    Mutant(
        "the fastest partition counts", "test_a_key_falls_to_the_same_partition_everywhere", break_store(HighestCounts)
    ),
    Mutant("other workers are not counted", "test_two_workers_share_the_partitions", break_store(CountsOne)),
    Mutant("workers that left are counted", "test_a_worker_that_left_has_no_share", break_store(CountsTheGone)),
    Mutant("old partitions stay", "test_more_and_fewer_partitions", break_store(KeepsPartitions)),
    Mutant(
        "new partitions begin at the head",
        "test_more_and_fewer_partitions",
        dividing(lambda checkpoint, head: replace(checkpoint, position=head)),
    ),
    Mutant(
        "a partition that is behind is taken for the fastest",
        "test_partitions_at_different_places_are_divided_anew",
        break_store(AllAreAtTheHighest),
    ),
    Mutant(
        "the checkpoint is forgotten when dividing",
        "test_an_event_handler_that_is_divided_keeps_its_mark",
        dividing(lambda checkpoint, _: replace(checkpoint, position=START)),
    ),
    Mutant(
        "a new subscription begins at 0",
        "test_an_event_handler_that_is_divided_keeps_its_mark",
        dividing(lambda checkpoint, _: replace(checkpoint, position=START), anew=False),
    ),
    Mutant(
        "the number of parked events is forgotten when dividing",
        "test_parked_keys_move_with_their_partition",
        dividing(lambda checkpoint, _: replace(checkpoint, parked=0)),
    ),
    Mutant(
        "parked events are forgotten when dividing",
        "test_parked_keys_move_with_their_partition",
        break_transaction(DropsWhenDividing),
    ),
    Mutant("parked keys are forgotten", "test_parked_keys_move_with_their_partition", break_store(NoKeys)),
    Mutant("the old reason stays", "test_a_retry_replays_in_order", break_transaction(OldReason)),
    Mutant("parked events stay", "test_a_retry_replays_in_order", break_transaction(KeepsParked)),
    Mutant("nobody notes a retry", "test_a_retry_replays_in_order", break_transaction(AsksNothing)),
    Mutant(
        "the same position is ignored",
        "test_a_retry_counts_in_rows_that_others_changed",
        guard(lambda new, old, _: new > old),
    ),
    Mutant("a retried event stays parked", "test_of_two_retries_one_runs", break_transaction(KeepsTheRetried)),
    Mutant("every key is discarded", "test_a_discarded_key_flows_again", break_transaction(UnparksAll)),
    Mutant("partitions come in the order of text", "test_a_discarded_key_flows_again", break_store(SortsAsText)),
    Mutant(
        "many parked events count as one",
        "test_a_discarded_key_flows_again",
        writing(lambda checkpoint: replace(checkpoint, parked=min(checkpoint.parked, 1))),
    ),
)
"""Each is killed by the named test of `WorkerSuite`."""
