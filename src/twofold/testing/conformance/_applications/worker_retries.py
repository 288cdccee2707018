"""Parked events of a subscription that several processes share: retried or discarded."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import anyio
import pytest

from twofold import Application
from twofold.ports import partition_of

from .._domain.audit import settled
from .._domain.work import ACCOUNTS, GetSum, Sum, deposit, done, everywhere, opened, retried, worker, working
from .._tools.opened import NewStore


class WorkerRetries:
    """The cases of `WorkerSuite` about parked events."""

    async def test_a_retry_replays_in_order(self, new_store: NewStore) -> None:
        """Retrying handles the parked events of a key in order, and then the later events of this key."""
        bad = ACCOUNTS[0]
        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1, 2)
                await settled(front)
                assert len(await front.operations.parked("work")) == 2
                left = await retried(front, bad)
                assert [each.attempts for each in left] == [3, 0]
            async with worker(store):
                assert await retried(front, bad) == []
                assert await front.operations.parked("work") == []
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)

    async def test_a_retry_counts_in_rows_that_others_changed(self, new_store: NewStore) -> None:
        """A retried event changes its row even if later events of other keys have changed the row meanwhile."""
        bad = ACCOUNTS[0]
        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1)
                await settled(front)
                assert await front.execute(GetSum()) == Sum(name="all", total=len(ACCOUNTS) - 1)
            async with worker(store):
                assert await retried(front, bad) == []
                assert await front.execute(GetSum()) == Sum(name="all", total=len(ACCOUNTS))

    async def test_of_two_retries_one_runs(self, new_store: NewStore) -> None:
        """Two concurrent retries of a key handle its events once."""
        bad, calls = ACCOUNTS[0], list[str]()

        async def count(account: str) -> None:
            calls.append(account)

        async def again(app: Application) -> None:
            with suppress(LookupError):  # the last call finds nothing
                await retried(app, bad)

        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1, accounts=[bad])
                await settled(front)
            async with worker(store, working(during=count)) as other:
                async with anyio.create_task_group() as tasks:
                    for app in (front, other, front):
                        tasks.start_soon(again, app)
                assert calls == [bad]
                assert await front.operations.parked("work") == []
                assert (await done(front))[bad] == (1,)

    async def test_a_discarded_key_flows_again(self, new_store: NewStore) -> None:
        """Discarding deletes the parked events of one key. Later events of this key are handled."""
        bad, many = ACCOUNTS[:2], 12  # sorted as texts, the numbers of the partitions are in another order
        async with opened(new_store) as (store, front):
            async with worker(store, working(partitions=many, fail_on=bad)):
                await deposit(front, 1)
                await settled(front)
            async with worker(store, working(partitions=many)):
                gone = await front.operations.discard("work", f"account-{bad[0]}")
                assert [each.key for each in gone] == [f"account-{bad[0]}"]
                await deposit(front, 2)
                await settled(front)
                left = await front.operations.parked("work")
                assert {each.key for each in left} == {f"account-{account}" for account in bad[1:]}
                found = await done(front)
                assert (found[bad[0]], found.get(bad[1])) == ((2,), None)
                counted = {each.number: each.checkpoint.parked for each in await store.subscriptions.partitions("work")}
                assert counted == dict.fromkeys(range(many), 0) | Counter(partition_of(each.key, many) for each in left)

    async def test_a_key_without_parked_events(self, new_store: NewStore) -> None:
        """Retrying or discarding a key without parked events raises an error that lists the parked keys."""
        bad = ACCOUNTS[:2]
        async with opened(new_store) as (store, front), worker(store, working(fail_on=bad)):
            await deposit(front, 1)
            await settled(front)
            for attempt in (front.operations.retry, front.operations.discard):
                with pytest.raises(LookupError, match="'account-mistyped'") as caught:
                    await attempt("work", "account-mistyped")
                assert all(f"'account-{account}'" in str(caught.value) for account in bad)
            assert len(await front.operations.parked("work")) == len(bad)
