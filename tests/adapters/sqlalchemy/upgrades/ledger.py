"""A domain that writes to every table: the recorded databases contain its data, so its stored form must not change."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, Retry, Router, View, on
from twofold_sqlalchemy import SqlAlchemy

LATER = datetime(2099, 1, 1, tzinfo=UTC)
"""The time of the scheduled command."""


class Booked(Event, name="ledger.booked"):
    account_id: str
    amount: Decimal


class Account(Aggregate, name="ledger_account", snapshot_every=2):
    id: str = ""
    balance: Decimal = Decimal()

    @on(Booked)
    def _booked(self, event: Booked) -> None:
        self.id, self.balance = event.account_id, self.balance + event.amount


class Owner(Aggregate, name="ledger_owner"):
    id: str
    accounts: tuple[str, ...]

    def __init__(self, id: str) -> None:
        self.id, self.accounts = id, ()


class Book(Command[Decimal], name="ledger.book"):
    account_id: str
    amount: Decimal


class Balance(View, name="ledger_balance", key="account_id", indexes=["balance"]):
    account_id: str
    balance: Decimal


class Total(View, name="ledger_total", key="name"):
    name: str
    bookings: int


class GetBalance(Query["Balance | None"]):
    account_id: str


class GetTotal(Query["Total | None"]):
    pass


ledger = Router("ledger")


@ledger.command_handler(Book)
async def book(command: Book, accounts: Repository[Account], owners: Repository[Owner]) -> Decimal:
    """Book an amount on an account of the one owner; create what is missing."""
    event = Booked(account_id=command.account_id, amount=command.amount)
    account = await accounts.find(command.account_id)
    if account is None:
        account = Account.begin(event)
        await accounts.add(account)
    else:
        account.record(event)
    owner = await owners.find("one")
    if owner is None:
        owner = Owner("one")
        await owners.add(owner)
    if account.id not in owner.accounts:
        owner.accounts = (*owner.accounts, account.id)
    return account.balance


@ledger.projection("ledger_balances", partitions=2)
class Balances:
    @on(Booked)
    async def booked(self, event: Booked, balances: ReadModel[Balance]) -> None:
        row = await balances.get(event.account_id)
        before = Decimal() if row is None else row.balance
        await balances.put(Balance(account_id=event.account_id, balance=before + event.amount))


@ledger.projection("ledger_totals", mode="inline")
class Totals:
    @on(Booked)
    async def booked(self, event: Booked, totals: ReadModel[Total]) -> None:
        row = await totals.get("all")
        await totals.put(Total(name="all", bookings=1 if row is None else row.bookings + 1))


@ledger.query_handler(GetBalance)
async def get_balance(query: GetBalance, balances: ReadModel[Balance]) -> Balance | None:
    """Return the balance of an account."""
    return await balances.get(query.account_id)


@ledger.query_handler(GetTotal)
async def get_total(query: GetTotal, totals: ReadModel[Total]) -> Total | None:
    """Return the number of bookings."""
    return await totals.get("all")


@ledger.event_handler(Booked, name="ledger_audit", retry=Retry(attempts=1))
async def audit(event: Booked) -> None:
    """Refuse the bookings of one account, so that they are parked."""
    if event.account_id == "b":
        raise LookupError("b is not audited")


def application(store: SqlAlchemy) -> Application:
    """Return the application on a store."""
    app = Application("ledger", write=store, event_sourced=[Account])
    app.include(ledger)
    return app
