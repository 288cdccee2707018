"""The domain of the suites about units of work and repositories: transfers, totals, and a store that fails on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, NamedTuple

from twofold import Command, ReadModel, Repository, Router, View, on
from twofold.errors import TransientFailure
from twofold.ports import WriteStore

from .._tools.opened import reading
from .._tools.watched import AFTER_APPEND, AFTER_LOAD, AFTER_ROWS, AFTER_SAVE, BEFORE_COMMIT, BEGIN
from .bank import Account, Deposited, Opened


class Run(Command[str]):
    """Runs a function of the test."""


class Transfer(Command[str]):
    """Moves 1 from account "a" to account "b", which it opens."""


class Total(View, name="suite_total", key="account_id"):
    """The count of a projection that runs inline."""

    account_id: str
    total: Decimal


class Standing(NamedTuple):
    """The stored data of one account: its balance, its row in the totals, and its number of events."""

    balance: Decimal | None = None
    total: Decimal | None = None
    events: int = 0


OPENED = Standing(Decimal(0), None, 1), Standing()
"""Account "a" was opened; account "b" does not exist."""

DEPOSITED = Standing(Decimal(1), Decimal(1), 2), Standing()
"""Then 1 was deposited in account "a"."""

TRANSFERRED = Standing(Decimal(-1), Decimal(-1), 2), Standing(Decimal(1), Decimal(1), 2)
"""Or 1 was transferred from account "a" to account "b"."""

STEPS = (
    (BEGIN, ""),
    (AFTER_LOAD, "a"),
    (AFTER_SAVE, "a"),
    (AFTER_SAVE, "b"),
    (AFTER_APPEND, "account-a"),
    (AFTER_APPEND, "account-b"),
    (AFTER_ROWS, "suite_total"),
    (BEFORE_COMMIT, "account-b"),
)
"""The steps of a transfer, by their names in a watched store."""


class Trip:
    """A hook for a watched store that raises at one step."""

    def __init__(self) -> None:
        self._step = "", ""
        self._times = 0
        self._error: Exception = TransientFailure("it trips")

    def at(self, step: tuple[str, str], error: Exception | None = None, *, times: int = 1) -> None:
        """Raise at this step for the given number of times."""
        self._step, self._times, self._error = step, times, error or TransientFailure("it trips")

    async def __call__(self, point: str, about: str) -> None:
        if self._times and (point, about) == self._step:
            self._times -= 1
            raise self._error


def handled(handler: Callable[..., Awaitable[str]]) -> Router:
    """Return a router in which `Run` has this handler."""
    router = Router("handled")
    registration: Any = router.command_handler(Run)
    registration(handler)
    return router


def transfers() -> Router:
    """Return a router with the transfer, and with totals that are counted inline."""
    router = Router("transfers")

    @router.command_handler(Transfer)
    async def transfer(command: Transfer, accounts: Repository[Account]) -> str:
        source = await accounts.get("a")
        target = Account.begin(Opened(account_id="b"))
        await accounts.add(target)
        source.record(Deposited(account_id="a", amount=Decimal(-1)))
        target.record(Deposited(account_id="b", amount=Decimal(1)))
        return "transferred"

    @router.projection("totals", mode="inline")
    class Totals:
        def __init__(self, totals: ReadModel[Total]) -> None:
            self.totals = totals

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            row = await self.totals.get(event.account_id)
            before = row.total if row is not None else Decimal()
            await self.totals.put(Total(account_id=event.account_id, total=before + event.amount))

    return router


async def standing(store: WriteStore) -> tuple[Standing, Standing]:
    """Return the committed data of the accounts "a" and "b", read in one transaction. The accounts are state stored."""
    found: list[Standing] = []
    async with reading(store) as transaction:
        rows = await transaction.rows(Total).get_many(["a", "b"])
        for account in ("a", "b"):
            kept: Any = await transaction.state(Account).load(account)
            events = [event async for event in transaction.log.read(f"account-{account}")]
            balance = kept.aggregate.balance if kept is not None else None
            found.append(Standing(balance, rows[account].total if account in rows else None, len(events)))
    return found[0], found[1]
