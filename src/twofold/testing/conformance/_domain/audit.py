"""A second read model of the bank, and functions that run an application with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio.lowlevel

from twofold import Application, Command, Event, Query, ReadModel, Repository, Retry, Router, UnitOfWork, View, on
from twofold.ports import WriteStore

from .._tools.beside import stores_of
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .bank import Account, Deposit, Deposited, Open, Opened, application

ONCE = Retry(attempts=2, delay=0.001)
"""A failing event is retried once."""


class Unwanted(Event, name="bank.unwanted"):
    """An event that no subscription handles."""


class Audit(View, name="suite_audit", key="account_id"):
    """The history of an account: "opened", then the amounts."""

    account_id: str
    seen: tuple[str, ...] = ()


class GetAudit(Query["Audit | None"]):
    account_id: str


class DepositEach(Command[None]):
    """Deposits several amounts, one event each."""

    account_id: str
    amounts: tuple[int, ...]


class EmitUnwanted(Command[None]):
    number: int


def auditing(
    *,
    fail_on: Collection[str] = (),
    seen: list[str] | None = None,
    during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
    retry: Retry = ONCE,
    partitions: int = 1,
) -> Router:
    """Return a router with the projection "audit".

    Args:
        fail_on: the accounts on whose deposits it fails, after it has written its row.
        seen: collects each handled event as "a opened", "a 1", ..., also if it is rolled back afterwards.
        during: awaited in each handler, after it has written its row.
        retry: how often an event is attempted.
        partitions: the number of partitions.
    """
    router = Router("audit")

    @router.projection("audit", retry=retry, partitions=partitions)
    class Auditing:
        def __init__(self, rows: ReadModel[Audit]) -> None:
            self.rows = rows

        @on(Opened, Deposited)
        async def happened(self, event: Opened | Deposited) -> None:
            entry = f"{event.amount}" if isinstance(event, Deposited) else "opened"
            row = await self.rows.get(event.account_id)
            before = row.seen if row is not None else ()
            await self.rows.put(Audit(account_id=event.account_id, seen=(*before, entry)))
            if seen is not None:
                seen.append(f"{event.account_id} {entry}")
            await during()
            if event.account_id in fail_on and entry != "opened":
                raise LookupError(event.account_id)

    @router.query_handler(GetAudit, reads="audit")
    async def get_audit(query: GetAudit, rows: ReadModel[Audit]) -> Audit | None:
        return await rows.get(query.account_id)

    @router.command_handler(DepositEach)
    async def deposit_each(command: DepositEach, accounts: Repository[Account]) -> None:
        account = await accounts.get(command.account_id)
        for amount in command.amounts:
            account.record(Deposited(account_id=account.id, amount=Decimal(amount)))

    @router.command_handler(EmitUnwanted)
    async def emit(command: EmitUnwanted, unit: UnitOfWork) -> None:
        for _ in range(command.number):
            unit.record(Unwanted(), stream="unwanted")

    return router


@asynccontextmanager
async def running(store: WriteStore, *routers: Router, **options: Any) -> AsyncIterator[Application]:
    """Run the bank with some routers; fail instead of hanging."""
    app = await application(store, *routers, **options)
    with in_time(WHOLE_TEST):
        async with app:
            yield app


@asynccontextmanager
async def auditing_only(store: WriteStore) -> AsyncIterator[Application]:
    """Run an application with one subscription, "audit", on an initialised store."""
    app = Application("audit", **stores_of(store))
    app.include(auditing())
    with in_time(WHOLE_TEST):
        async with app:
            yield app


async def deposits(app: Application, *accounts: str) -> None:
    """Open accounts and deposit 1 in each."""
    for account in accounts:
        await app.dispatch(Open(account_id=account))
        await app.dispatch(Deposit(account_id=account, amount=Decimal(1)))


async def settled(app: Application) -> None:
    """Wait until the subscriptions have caught up; fail if they do not."""
    with in_time():
        await app.settle(timeout=CEILING)


async def audited(app: Application, *accounts: str) -> dict[str, tuple[str, ...] | None]:
    """Return the audits of some accounts."""
    rows = {account: await app.execute(GetAudit(account_id=account)) for account in accounts}
    return {account: None if row is None else row.seen for account, row in rows.items()}


def stop_at_once(app: Application) -> None:
    """Let the application cancel its subscriptions when it closes, without a grace period."""
    assert app._running is not None
    app._running._drain = 0.0
