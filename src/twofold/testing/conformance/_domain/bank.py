"""The domain of the suites that run a whole application: accounts with a balance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, Router, View, on
from twofold.ports import WriteStore

from .._tools.beside import stores_of


class Opened(Event, name="bank.opened"):
    account_id: str


class Deposited(Event, name="bank.deposited"):
    account_id: str
    amount: Decimal


class Account(Aggregate, name="account"):
    id: str
    balance: Decimal

    @on(Opened)
    def _opened(self, event: Opened) -> None:
        self.id, self.balance = event.account_id, Decimal()

    @on(Deposited)
    def _deposited(self, event: Deposited) -> None:
        self.balance += event.amount


class Open(Command[str]):
    account_id: str


class Deposit(Command[Decimal]):
    account_id: str
    amount: Decimal


class Close(Command[None]):
    account_id: str


class GetBalance(Query["Balance | None"]):
    account_id: str


class Balance(View, name="balance", key="account_id"):
    account_id: str
    balance: Decimal


bank = Router("bank")


@bank.command_handler(Open)
async def open_account(command: Open, accounts: Repository[Account]) -> str:
    """Open an account."""
    await accounts.add(Account.begin(Opened(account_id=command.account_id)))
    return command.account_id


@bank.command_handler(Deposit)
async def deposit(command: Deposit, accounts: Repository[Account]) -> Decimal:
    """Deposit an amount and return the balance."""
    account = await accounts.get(command.account_id)
    account.record(Deposited(account_id=account.id, amount=command.amount))
    return account.balance


@bank.command_handler(Close)
async def close(command: Close, accounts: Repository[Account]) -> None:
    """Remove an account."""
    await accounts.remove(await accounts.get(command.account_id))


@bank.projection("balances")
class Balances:
    def __init__(self, balances: ReadModel[Balance]) -> None:
        self.balances = balances

    @on(Opened)
    async def opened(self, event: Opened) -> None:
        await self.balances.put(Balance(account_id=event.account_id, balance=Decimal()))

    @on(Deposited)
    async def deposited(self, event: Deposited) -> None:
        row = await self.balances.get(event.account_id)
        if row is not None:
            await self.balances.update(event.account_id, balance=row.balance + event.amount)


@bank.query_handler(GetBalance, reads="balances")
async def get_balance(query: GetBalance, balances: ReadModel[Balance]) -> Balance | None:
    """Return a balance."""
    return await balances.get(query.account_id)


async def application(store: WriteStore, *routers: Router, event_sourced: bool = False, **options: Any) -> Application:
    """Return an application of the bank with some routers and with its tables; `options` are passed to `Application`."""
    kept = [Account] if event_sourced else []
    app = Application("bank", **stores_of(store), event_sourced=kept, **options)
    for router in (bank, *routers):
        app.include(router)
    await app.create_schema()
    return app
