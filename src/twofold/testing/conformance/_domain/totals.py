"""The domain of the suite about rebuilds: several versions of a projection, and a history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from twofold import Application, Query, ReadModel, Retry, Router, View, on
from twofold.ports import WriteStore

from .._tools.beside import stores_of
from .._tools.hooked import Call, Hooked
from .._tools.in_time import in_time
from .._tools.opened import NewStore
from .audit import settled
from .bank import Balance, Deposit, Deposited, Open, Opened, bank

NAMES = [f"a{number:02}" for number in range(6)]


class Total(View, name="suite_total", key="account_id"):
    """The sum of the deposits, with the version of the projection that counted it."""

    account_id: str
    version: int
    total: Decimal = Decimal()


class GetTotals(Query[list[Total]]):
    """Return all rows."""


SOON = Retry(attempts=3, delay=0.001)
"""A failing event is retried immediately."""


def totals(version: int, fail_on: str | None = None, *, once: Sequence[str] = (), retry: Retry = SOON) -> Router:
    """Return a router with one version of the projection.

    Args:
        version: the version, which the projection writes into its rows.
        fail_on: the account that the projection cannot open.
        once: the accounts that the projection cannot open at the first attempt.
        retry: how often an event is attempted.
    """
    router, failing = Router(f"totals {version}"), [*once]

    @router.projection("totals", retry=retry)
    class Totals:
        def __init__(self, rows: ReadModel[Total]) -> None:
            self.rows = rows

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if event.account_id in failing:
                failing.remove(event.account_id)
                raise LookupError(event.account_id)
            if event.account_id == fail_on:
                raise LookupError(event.account_id)
            await self.rows.put(Total(account_id=event.account_id, version=version))

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            row = await self.rows.get(event.account_id)
            if row is not None:
                await self.rows.update(event.account_id, total=row.total + event.amount)

    @router.query_handler(GetTotals, reads="totals")
    async def get_totals(query: GetTotals, rows: ReadModel[Total]) -> list[Total]:
        return list((await rows.find()).items)

    return router


def bank_with(store: WriteStore, *routers: Router, work: bool = True, lease: float = 5.0) -> Application:
    """Return an application of the bank and some routers."""
    app = Application("bank", **stores_of(store), work=work, lease=lease)
    for router in (bank, *routers):
        app.include(router)
    return app


@asynccontextmanager
async def filled(new_store: NewStore) -> AsyncIterator[WriteStore]:
    """Open a store with some history, on which the first version of the projection has run."""
    async with new_store([Total, Balance]) as store:
        async with bank_with(store, totals(1)) as app:
            for name in NAMES:
                await app.dispatch(Open(account_id=name))
                await app.dispatch(Deposit(account_id=name, amount=Decimal(1)))
            await settled(app)
        yield store


async def deposited_unseen(store: WriteStore) -> None:
    """Deposit 1 in the first account while no projection runs."""
    async with bank_with(store, work=False) as app:
        await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(1)))


async def rebuilt(app: Application, **options: Any) -> None:
    """Rebuild the projection; fail if the rebuild does not end."""
    with in_time():
        await app.operations.rebuild("totals", **options)


async def rows(app: Application) -> dict[str, tuple[int, Decimal]]:
    """Return the version and the total of every row."""
    return {row.account_id: (row.version, row.total) for row in await app.execute(GetTotals())}


def failing(store: WriteStore, method: str, times: int = 0) -> Any:
    """Return the store with a method that raises once, after its work, in the call that follows `times` successful ones."""
    left = [times]

    async def crash(call: Call) -> None:
        await call()
        left[0] -= 1
        if left[0] == -1:
            raise OSError(f"crash in {method}")

    return Hooked(store, method, crash)
