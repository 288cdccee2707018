"""The workers and the lag of a subscription, as the status and the health of any process show them."""

from __future__ import annotations

from datetime import timedelta
from os import getpid

from twofold import Thresholds

from .._domain.audit import settled
from .._domain.work import LONG, deposit, opened, worker, working
from .._tools.opened import NewStore
from .worker_pauses import status_of

ACCURACY = timedelta(milliseconds=1)
"""The accuracy of a store's clock."""


class WorkerStatuses:
    """The cases of `WorkerSuite` about statuses."""

    async def test_any_process_knows_the_workers(self, new_store: NewStore) -> None:
        """A process without workers knows who runs which partitions since when, by the clock of the store."""
        async with opened(new_store) as (store, front):
            before = await store.now()
            assert (await status_of(front)).workers == ()
            async with worker(store, working(partitions=2), lease=LONG) as app:
                await deposit(front, 1)
                await settled(app)
                workers = (await status_of(front)).workers
                assert [(each.pid, each.partitions) for each in workers] == [(getpid(), (0, 1))]
                assert before - ACCURACY <= workers[0].since <= await store.now() + ACCURACY
                assert (await front.health()).healthy
            assert (await status_of(front)).workers == ()

    async def test_a_lag_has_an_age(self, new_store: NewStore) -> None:
        """The lag in seconds is the age of the first event that was not processed. It is 0 when there is none."""
        async with opened(new_store) as (store, front):
            async with worker(store) as app:
                await settled(app)
            assert (await status_of(front)).lag_seconds == 0.0
            await deposit(front, 1)
            first = (await status_of(front)).lag_seconds
            assert first is not None
            assert first >= 0.0
            codes = {each.code for each in (await front.health(Thresholds(lag=0.0))).problems if each.subject == "work"}
            assert codes == {"lag", "no_worker"}
