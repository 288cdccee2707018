"""A projection and an event handler that several processes share, and functions that inspect them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio.lowlevel

from twofold import Application, Query, ReadModel, Router, View, on
from twofold.ports import Lease, ParkedEvent, WriteStore

from .._tools.beside import stores_of
from .._tools.in_time import CEILING, WHOLE_TEST, in_time, until
from .._tools.opened import NewStore
from .audit import ONCE
from .bank import Balance, Deposit, Deposited, Open, bank

LEASE = 0.5
"""Seconds after which the lease of a dead worker expires.

On a busy machine, running workers can lose such a lease, too.
"""

LONG = 600.0
"""Seconds of a lease that outlives every test."""

ACCOUNTS = [f"a{number:02}" for number in range(20)]


class Work(View, name="suite_work", key="account_id"):
    """The amounts that were deposited in an account, in order."""

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
    *, partitions: int = 1, fail_on: Collection[str] = (), during: Callable[[str], Awaitable[None]] | None = None
) -> Router:
    """Return a router with the projection "work".

    Args:
        partitions: the number of partitions.
        fail_on: the accounts on whose deposits it fails.
        during: awaited in each handler, with the account.
    """
    router = Router("work")

    @router.projection("work", partitions=partitions, retry=ONCE)
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
            if partitions == 1:  # all partitions would change this row
                total = await self.sums.get("all") or Sum(name="all")
                await self.sums.put(Sum(name="all", total=total.total + int(event.amount)))

    @router.query_handler(GetWork, reads="work")
    async def get_work(query: GetWork, rows: ReadModel[Work]) -> Work | None:
        return await rows.get(query.account_id)

    @router.query_handler(GetSum, reads="work")
    async def get_sum(query: GetSum, sums: ReadModel[Sum]) -> Sum | None:
        return await sums.get("all")

    return router


def mailing(
    sent: list[tuple[str, int]],
    *,
    partitions: int = 1,
    during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
) -> Router:
    """Return a router with the event handler "mail", which starts now and records account and amount of each event.

    Args:
        sent: collects the recorded texts.
        partitions: the number of partitions.
        during: awaited in the handler, before any transaction.
    """
    router = Router("mail")

    @router.event_handler(Deposited, name="mail", start="now", partitions=partitions, retry=ONCE)
    async def mail(event: Deposited) -> None:
        sent.append((event.account_id, int(event.amount)))
        await during()

    return router


def worker(store: WriteStore, router: Router | None = None, *, work: bool = True, lease: float = LEASE) -> Application:
    """Return the application of one of several processes."""
    app = Application("bank", **stores_of(store), lease=lease, work=work)
    app.include(bank)
    app.include(router or working())
    return app


@asynccontextmanager
async def opened(new_store: NewStore) -> AsyncIterator[tuple[WriteStore, Application]]:
    """Open a store with some accounts, and an application without background work; fail instead of hanging."""
    async with new_store([Balance, Work, Sum]) as store:
        with in_time(WHOLE_TEST):
            async with worker(store, work=False) as front:
                for account in ACCOUNTS:
                    await front.dispatch(Open(account_id=account))
                yield store, front


async def deposit(app: Application, *amounts: int, accounts: Collection[str] = tuple(ACCOUNTS)) -> None:
    """Deposit several amounts in every account."""
    for amount in amounts:
        for account in accounts:
            await app.dispatch(Deposit(account_id=account, amount=Decimal(amount)))


async def done(app: Application) -> Mapping[str, tuple[int, ...]]:
    """Return the amounts of every account in the read model."""
    rows = [await app.execute(GetWork(account_id=account)) for account in ACCOUNTS]
    return {row.account_id: row.seen for row in rows if row is not None}


def everywhere(*amounts: int) -> dict[str, tuple[int, ...]]:
    """Return the read model that is expected after these amounts were deposited in every account."""
    return dict.fromkeys(ACCOUNTS, amounts)


async def retried(app: Application, account: str) -> Sequence[ParkedEvent]:
    """Retry the parked events of an account; return the number of events that are parked afterwards.

    Raises:
        AssertionError: no worker retries them.
    """
    with in_time():
        return await app.operations.retry("work", f"account-{account}", timeout=CEILING)


async def state(app: Application) -> str:
    """Return the state of the projection in a process."""
    return next(each.state for each in await app.operations.status() if each.name == "work")


async def lag(app: Application) -> int:
    """Return the lag of the projection in events."""
    return next(each.lag for each in await app.operations.status() if each.name == "work")


async def owners(store: WriteStore) -> dict[int, int]:
    """Count the workers by the number of their partitions.

    The result is {2: 1} if one worker holds two, and no other holds any.
    """
    held = Counter(each.owner for each in await store.subscriptions.partitions("work") if each.owner is not None)
    return Counter(held.values())


async def divided(store: WriteStore, subscription: str, partitions: int) -> None:
    """Wait until a subscription has this number of partitions.

    Its worker must hold all partitions to change their number.
    """

    async def so_many() -> bool:
        return len(await store.subscriptions.partitions(subscription)) == partitions

    await until(so_many)


async def stolen(store: WriteStore) -> Lease:
    """Claim a partition of another worker with a lease that outlives every test."""
    (lease,) = await store.subscriptions.claim("work", "thief", seconds=LONG, limit=1, force=True)
    return lease


async def others_passed(store: WriteStore, lease: Lease) -> bool:
    """Return whether all partitions except one have passed the whole log."""
    head = await store.log.head()
    found = await store.subscriptions.partitions("work")
    return all(each.checkpoint.position >= head for each in found if each.number != lease.partition)
