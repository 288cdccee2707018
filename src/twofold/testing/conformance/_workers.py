"""Workers: several processes share the segments of a subscription, take over from each other, and never do a thing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel

from ... import Application, Module, Query, ReadModel, View, on
from ...ports import WriteStore
from ._audit import ONCE, settled
from ._bank import Balance, Deposit, Deposited, Open, bank
from ._hooked import Call, Hooked
from ._opened import NewStore

LEASE = 0.5
"""Seconds that a worker's claims outlive it here."""

ACCOUNTS = [f"a{number:02}" for number in range(20)]


class Work(View, name="suite_work", key="account_id"):
    """Every amount that was deposited to an account, in order."""

    account_id: str
    seen: tuple[int, ...] = ()


class Sum(View, name="suite_sum", key="name"):
    """One row that the events of all accounts change."""

    name: str
    total: int = 0


class GetWork(Query["Work | None"]):
    account_id: str


class GetSum(Query["Sum | None"]):
    pass


def working(
    *, segments: int = 1, fail_on: Collection[str] = (), during: Callable[[str], Awaitable[None]] | None = None
) -> Module:
    """Return a module with the projection "work".

    Args:
        segments: into how many it is divided.
        fail_on: the accounts whose deposits it fails on.
        during: awaited in each handler, with the account.
    """
    module = Module("work")

    @module.projection("work", segments=segments, retry=ONCE)
    class Working:
        def __init__(self, rows: ReadModel[Work], sums: ReadModel[Sum]) -> None:
            self.rows = rows
            self.sums = sums

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            if during is not None:
                await during(event.account_id)
            if event.account_id in fail_on:
                raise LookupError(event.account_id)
            row = await self.rows.get(event.account_id) or Work(account_id=event.account_id)
            await self.rows.put(Work(account_id=event.account_id, seen=(*row.seen, int(event.amount))))
            if segments == 1:  # all segments would change this row
                total = await self.sums.get("all") or Sum(name="all")
                await self.sums.put(Sum(name="all", total=total.total + int(event.amount)))

    @module.query_handler(GetWork, reads="work")
    async def get_work(query: GetWork, rows: ReadModel[Work]) -> Work | None:
        return await rows.get(query.account_id)

    @module.query_handler(GetSum, reads="work")
    async def get_sum(query: GetSum, sums: ReadModel[Sum]) -> Sum | None:
        return await sums.get("all")

    return module


def worker(store: WriteStore, module: Module | None = None, *, work: bool = True) -> Application:
    """Return an application that is one of several processes."""
    app = Application("bank", write=store, lease=LEASE, work=work)
    app.include(bank)
    app.include(module or working())
    return app


@asynccontextmanager
async def opened(new_store: NewStore) -> AsyncIterator[tuple[WriteStore, Application]]:
    """Open a store with some accounts, and an application on it that does no background work; fail instead of hanging."""
    async with new_store([Balance, Work, Sum]) as store:
        with anyio.fail_after(30):
            async with worker(store, work=False) as front:
                for account in ACCOUNTS:
                    await front.dispatch(Open(account_id=account))
                yield store, front


async def deposit(app: Application, *amounts: int, accounts: Collection[str] = tuple(ACCOUNTS)) -> None:
    """Deposit each of some amounts in every account."""
    for amount in amounts:
        for account in accounts:
            await app.dispatch(Deposit(account_id=account, amount=Decimal(amount)))


async def done(app: Application) -> Mapping[str, tuple[int, ...]]:
    """Return what the read model has of every account."""
    rows = [await app.execute(GetWork(account_id=account)) for account in ACCOUNTS]
    return {row.account_id: row.seen for row in rows if row is not None}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another task or process brings about."""
    while not await condition():  # noqa: ASYNC110 -- it is in the store, which wakes nobody
        await anyio.sleep(0.01)


def everywhere(*amounts: int) -> dict[str, tuple[int, ...]]:
    """Return what the read model should have when every account got these amounts."""
    return dict.fromkeys(ACCOUNTS, amounts)


class WorkerSuite:
    """What every store makes possible: work that is shared, and done once. Needs the fixture `new_store`."""

    async def test_one_works_and_the_other_stands_by(self, new_store: NewStore) -> None:
        """Of two workers one holds a segment; when it leaves, the other goes on where it was."""
        async with opened(new_store) as (store, front):
            first, second = worker(store), worker(store)
            async with second:
                async with first:
                    await deposit(front, 1)
                    await settled(front)
                    assert {await _state(first), await _state(second)} == {"running", "standby"}
                await deposit(front, 2)
                await settled(front)
                assert await done(front) == everywhere(1, 2)

    async def test_a_dead_worker_is_succeeded(self, new_store: NewStore) -> None:
        """The segment of a worker that died is taken over when its lease has ended, and not before."""
        async with opened(new_store) as (store, front):
            async with worker(store):
                await settled(front)
            await store.claim("work", "dead", seconds=LEASE, limit=1)
            async with worker(store):
                await deposit(front, 1)
                assert [each.owner for each in await store.segments("work")] == ["dead"]
                assert await done(front) == {}
                await settled(front)
                assert await done(front) == everywhere(1)

    async def test_a_worker_that_lost_its_segment_writes_nothing(self, new_store: NewStore) -> None:
        """What a worker does after another has claimed its segment is refused; it is done again by who holds it."""
        reached, go, armed = anyio.Event(), anyio.Event(), list[bool]()

        async def hold(begin: Call) -> Any:
            if armed.pop() if armed else False:
                reached.set()
                await go.wait()
            return await begin()

        async with opened(new_store) as (store, front):
            held: Any = Hooked(store, "begin", hold)
            robbed = Application("work", write=held, lease=LEASE)
            robbed.include(working())
            async with robbed:
                await settled(robbed)
                armed.append(True)
                await deposit(front, 1)
                await reached.wait()
                taken = await store.claim("work", "thief", seconds=60, limit=1, force=True)
                go.set()
                await until(lambda: _stands_by(robbed))
                assert [each.owner for each in await store.segments("work")] == ["thief"]
                assert await done(front) == {}
                await store.release(taken)
                await settled(robbed)
                assert await done(front) == everywhere(1)

    async def test_a_slow_handler_is_not_robbed(self, new_store: NewStore) -> None:
        """Leases are renewed beside a handler that takes longer than they last."""
        reached, go = anyio.Event(), anyio.Event()

        async def slowly(account: str) -> None:
            reached.set()
            await go.wait()

        async with opened(new_store) as (store, front), worker(store, working(during=slowly)):
            await deposit(front, 1, accounts=ACCOUNTS[:1])
            await reached.wait()
            (held,) = await store.segments("work")
            async with worker(store):
                with anyio.move_on_after(4 * LEASE):
                    await until(lambda: _differs(store, held.generation))
                assert not await _differs(store, held.generation)
                go.set()
                await settled(front)

    async def test_segments_share_the_keys(self, new_store: NewStore) -> None:
        """Every key is handled by one segment, in order, and all of them together handle every event once."""
        async with opened(new_store) as (store, front), worker(store, working(segments=4)):
            await deposit(front, 1, 2, 3)
            await settled(front)
            assert await done(front) == everywhere(1, 2, 3)
            assert len(await store.segments("work")) == 4

    async def test_two_workers_share_the_segments(self, new_store: NewStore) -> None:
        """A worker that comes later gets its share of the segments; nothing is lost or doubled by the change."""
        async with opened(new_store) as (store, front), worker(store, working(segments=4)):
            await deposit(front, 1)
            async with worker(store, working(segments=4)):
                await deposit(front, 2)
                await until(lambda: _owners(store, {2: 2}))
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)

    async def test_more_and_fewer_segments(self, new_store: NewStore) -> None:
        """A subscription that is divided anew delivers every event once, whatever segments there were before."""
        async with opened(new_store) as (store, front):
            amounts: list[int] = []
            for amount, segments in enumerate((1, 4, 3, 1, 2), 1):
                amounts.append(amount)
                await deposit(front, amount)
                async with worker(store, working(segments=segments)):
                    await settled(front)
                    assert await done(front) == everywhere(*amounts)
                    assert len(await store.segments("work")) == segments

    async def test_parked_keys_move_with_their_segment(self, new_store: NewStore) -> None:
        """A key that is parked stays parked when the subscription is divided anew, and its segment counts it."""
        async with opened(new_store) as (store, front):
            await deposit(front, 1)
            bad = ACCOUNTS[:3]
            for segments in (1, 4, 2):
                async with worker(store, working(segments=segments, fail_on=bad)):
                    await settled(front)
                    found = await store.checkpoint("work")
                    assert found is not None
                    assert found.parked == len(await front.parked("work"))
                await deposit(front, 2, accounts=bad)
            assert {each.key for each in await front.parked("work")} == {f"account-{account}" for account in bad}

    async def test_a_retry_replays_in_order(self, new_store: NewStore) -> None:
        """Parked events of a key are handled in their order once they can be, and so is what comes after."""
        bad = ACCOUNTS[0]
        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1, 2)
                await settled(front)
                assert len(await front.parked("work")) == 2
                left = await front.retry("work", f"account-{bad}")
                assert [each.attempts for each in left] == [3, 0]
            async with worker(store):
                assert await front.retry("work", f"account-{bad}") == []
                assert await front.parked("work") == []
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)

    async def test_a_retry_counts_in_rows_that_others_changed(self, new_store: NewStore) -> None:
        """A parked event changes a row though later events of other keys have changed it meanwhile."""
        bad = ACCOUNTS[0]
        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1)
                await settled(front)
                assert await front.execute(GetSum()) == Sum(name="all", total=len(ACCOUNTS) - 1)
            async with worker(store):
                await front.retry("work", f"account-{bad}")
                assert await front.execute(GetSum()) == Sum(name="all", total=len(ACCOUNTS))

    async def test_of_two_retries_one_runs(self, new_store: NewStore) -> None:
        """A key that is retried twice at the same time is handled once."""
        bad, calls = ACCOUNTS[0], list[str]()

        async def count(account: str) -> None:
            calls.append(account)

        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=[bad])):
                await deposit(front, 1, accounts=[bad])
                await settled(front)
            async with worker(store, working(during=count)) as other:
                async with anyio.create_task_group() as tasks:
                    for app in (front, other, front):
                        tasks.start_soon(app.retry, "work", f"account-{bad}")
                assert calls == [bad]
                assert (await done(front))[bad] == (1,)

    async def test_a_discarded_key_flows_again(self, new_store: NewStore) -> None:
        """Discarding forgets the parked events of a key, and only these; what comes after is handled."""
        bad = ACCOUNTS[:2]
        async with opened(new_store) as (store, front):
            async with worker(store, working(fail_on=bad)):
                await deposit(front, 1)
                await settled(front)
            async with worker(store):
                gone = await front.discard("work", f"account-{bad[0]}")
                assert [each.key for each in gone] == [f"account-{bad[0]}"]
                assert await front.discard("work", "nothing") == ()
                await deposit(front, 2)
                await settled(front)
                assert {each.key for each in await front.parked("work")} == {f"account-{bad[1]}"}
                found = await done(front)
                assert (found[bad[0]], found.get(bad[1])) == ((2,), None)
                (segment,) = await store.segments("work")
                assert segment.checkpoint.parked == len(await front.parked("work"))


async def _state(app: Application) -> str:
    return next(each.state for each in await app.status() if each.name == "work")


async def _stands_by(app: Application) -> bool:
    return await _state(app) == "standby"


async def _differs(store: WriteStore, generation: int) -> bool:
    return (await store.segments("work"))[0].generation != generation


async def _owners(store: WriteStore, wanted: Mapping[int, int]) -> bool:
    """Return whether so many workers hold so many segments each."""
    owners = [each.owner for each in await store.segments("work") if each.owner is not None]
    counts = [owners.count(owner) for owner in set(owners)]
    return {count: counts.count(count) for count in counts} == dict(wanted)
