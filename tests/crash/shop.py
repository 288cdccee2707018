"""The application of the crash lab: a shop whose customers pay from accounts.

Customers get a tenth of each sale back, through an event handler. They get interest for each deposit, through a
scheduled command.

Accounts are event sourced; sales and tills are state stored. No handler is idempotent. So a missing, repeated or
reordered effect changes the rows, the states or the log.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Self

from twofold import (
    Aggregate,
    Application,
    Clock,
    Command,
    CommandBus,
    Event,
    ReadModel,
    Repository,
    Retry,
    Router,
    Scheduler,
    View,
    on,
)
from twofold.middleware import retry_conflicts
from twofold.ports import ReadStore, WriteStore

ACCOUNTS = {f"account{number}": f"owner{number % 3}" for number in range(6)}
"""The accounts and whose they are."""

TILLS = ("till0", "till1")

REPEAT = Retry(attempts=20, delay=0.01, longest=0.2)
"""Conflicts with writers must not park an event."""


class Opened(Event, name="shop.opened"):
    account: str
    owner: str


class Booked(Event, name="shop.booked"):
    """An amount was credited to an account, or debited from it.

    Attributes:
        account: the account.
        owner: the owner of the account.
        amount: the amount; negative for a debit.
        by: the id of the command.
    """

    account: str
    owner: str
    amount: int
    by: str


class TillOpened(Event, name="shop.till_opened"):
    till: str


class Taken(Event, name="shop.taken"):
    """A till took an amount."""

    till: str
    amount: int
    by: str


class Sold(Event, name="shop.sold"):
    """A sale was made; its id is that of the command."""

    sale: str
    account: str
    amount: int
    by: str


class Rewarded(Event, name="shop.rewarded"):
    """The customer got something back for a sale."""

    sale: str
    by: str


class Account(Aggregate, name="account"):
    id: str
    owner: str
    balance: int

    def book(self, amount: int, by: str) -> None:
        """Credit or debit an amount."""
        self.record(Booked(account=self.id, owner=self.owner, amount=amount, by=by))

    @on(Opened)
    def _opened(self, event: Opened) -> None:
        self.id, self.owner, self.balance = event.account, event.owner, 0

    @on(Booked)
    def _booked(self, event: Booked) -> None:
        self.balance += event.amount


class Till(Aggregate, name="till"):
    id: str
    total: int

    @on(TillOpened)
    def _opened(self, event: TillOpened) -> None:
        self.id, self.total = event.till, 0

    @on(Taken)
    def _taken(self, event: Taken) -> None:
        self.total += event.amount


class Sale(Aggregate, name="sale"):
    id: str
    account: str
    amount: int
    rewards: int

    @classmethod
    def make(cls, account: str, amount: int, by: str) -> Self:
        """Make a sale."""
        return cls.begin(Sold(sale=by, account=account, amount=amount, by=by))

    @on(Sold)
    def _sold(self, event: Sold) -> None:
        self.id, self.account, self.amount, self.rewards = event.sale, event.account, event.amount, 0

    @on(Rewarded)
    def _rewarded(self, event: Rewarded) -> None:
        self.rewards += 1


class Stock(Command[None]):
    """Open the accounts and the tills."""


class Deposit(Command[None]):
    by: str
    account: str
    amount: int


class Sell(Command[None]):
    by: str
    account: str
    till: str
    amount: int


class Reward(Command[None]):
    sale: str


class Interest(Command[None], name="shop.interest"):
    by: str
    account: str


class Balance(View, name="balance", key="account"):
    account: str
    openings: int = 0
    bookings: int = 0
    balance: int = 0


class Owner(View, name="owner", key="owner"):
    """The history of an owner's accounts, as a chain of hashes that reveals a changed order and a repeated event."""

    owner: str
    trail: str = ""


def longer(trail: str, booked: str) -> str:
    """Return the chain with one more booking."""
    return sha256(f"{trail} {booked}".encode()).hexdigest()[:16]


shop = Router("shop")


@shop.command_handler(Stock)
async def stock(command: Stock, accounts: Repository[Account], tills: Repository[Till]) -> None:
    """Open the accounts and the tills."""
    for account, owner in ACCOUNTS.items():
        await accounts.add(Account.begin(Opened(account=account, owner=owner)))
    for till in TILLS:
        await tills.add(Till.begin(TillOpened(till=till)))


@shop.command_handler(Deposit)
async def deposit(command: Deposit, accounts: Repository[Account], scheduler: Scheduler, clock: Clock) -> None:
    """Put an amount into an account, which bears interest later."""
    (await accounts.get(command.account)).book(command.amount, command.by)
    await scheduler.schedule(Interest(by=f"interest of {command.by}", account=command.account), at=clock.now())


@shop.command_handler(Interest)
async def interest(command: Interest, accounts: Repository[Account]) -> None:
    """Credit the interest of a deposit."""
    (await accounts.get(command.account)).book(1, command.by)


@shop.command_handler(Sell)
async def sell(command: Sell, accounts: Repository[Account], sales: Repository[Sale], tills: Repository[Till]) -> None:
    """Charge an account, record the sale and count it in the till: three aggregates in one unit of work."""
    (await accounts.get(command.account)).book(-command.amount, command.by)
    (await tills.get(command.till)).record(Taken(till=command.till, amount=command.amount, by=command.by))
    await sales.add(Sale.make(command.account, command.amount, command.by))


@shop.command_handler(Reward)
async def reward(command: Reward, accounts: Repository[Account], sales: Repository[Sale]) -> None:
    """Give a tenth of a sale back."""
    sale, by = await sales.get(command.sale), f"reward of {command.sale}"
    sale.record(Rewarded(sale=sale.id, by=by))
    (await accounts.get(sale.account)).book(sale.amount // 10, by)


@shop.event_handler(Sold, name="rewards", start="beginning", retry=REPEAT, partitions=2)
async def react(event: Sold, commands: CommandBus) -> None:
    """Reward each sale."""
    await commands.dispatch(Reward(sale=event.sale))


@shop.projection("balances", retry=REPEAT, partitions=4)
class Balances:
    def __init__(self, rows: ReadModel[Balance]) -> None:
        self.rows = rows

    @on(Opened)
    async def opened(self, event: Opened) -> None:
        row = await self.rows.get(event.account) or Balance(account=event.account)
        await self.rows.put(Balance(**{**dict(row), "openings": row.openings + 1}))

    @on(Booked)
    async def booked(self, event: Booked) -> None:
        row = await self.rows.get(event.account) or Balance(account=event.account)
        amount = row.balance + event.amount
        await self.rows.update(row.account, balance=amount, bookings=row.bookings + 1)


@shop.projection("owners", partition_by="owner", retry=REPEAT, partitions=2)
class Owners:
    def __init__(self, rows: ReadModel[Owner]) -> None:
        self.rows = rows

    @on(Booked)
    async def booked(self, event: Booked) -> None:
        row = await self.rows.get(event.owner) or Owner(owner=event.owner)
        await self.rows.put(Owner(owner=event.owner, trail=longer(row.trail, f"{event.account} {event.by}")))


SUBSCRIPTIONS = ("balances", "owners", "rewards")
VIEWS: tuple[type[View], ...] = (Balance, Owner)


def application(store: WriteStore, *, work: bool, lease: float, read: ReadStore | None = None) -> Application:
    """Return the shop."""
    app = Application(
        "shop",
        write=store,
        read=read,
        event_sourced=[Account],
        work=work,
        lease=lease,
        retry_scheduled=REPEAT,
    )
    app.include(shop)
    app.use(retry_conflicts(attempts=10), on=Command)
    return app
