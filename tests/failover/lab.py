"""A failover of the write store of an application whose read models are in another database."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import anyio
from sqlalchemy.ext.asyncio import create_async_engine

from tests.failover.pairs import Pair
from tests.servers.kind import DatabaseKind, within
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from twofold import Application, Session
from twofold.errors import EventsLost, TwofoldError
from twofold.testing.conformance._domain.bank import Balance, Deposit, GetBalance, Open, bank
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.problems import problems_of
from twofold_sqlalchemy import SqlAlchemy

KEPT, NEW = 10, 60
KINDS: dict[str, DatabaseKind] = {"postgresql": PostgreSQL(), "mariadb": MySQL()}


class Round(NamedTuple):
    """One failover.

    Attributes:
        engine: the kind of the write store.
        lost: the number of accounts that the replica lacks, with two commits each; 0 with synchronous replication.
        slow: whether no server answers for a while before the replica is reached.
        restarted: whether the application is stopped before, and started after the failover.
    """

    engine: str
    lost: int
    slow: bool
    restarted: bool

    @property
    def name(self) -> str:
        """The name of the test case."""
        how = "slow" if self.slow else "quick"
        return f"{self.engine}-{f'lost{self.lost}' if self.lost else 'synchronous'}-{how}-{self.process}"

    @property
    def process(self) -> str:
        """The processes that continue."""
        return "restarted" if self.restarted else "live"


@dataclass
class Found:
    """The result of a round: the answers to own writes, the report for the operator, and the rows after the repair.

    Attributes:
        answers: how queries for own writes were answered.
        reported: the codes of the problems that `health` reported.
        tokens: how queries with tokens of lost events were answered.
        repaired: the projections that `realign` rebuilt.
        skipped: the accounts whose row lacks an event after the repair.
        doubled: the accounts whose row contains an event twice after the repair.
        phantom: the lost accounts that still have a row after the repair.
    """

    answers: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    repaired: tuple[str, ...] = ()
    skipped: int = 0
    doubled: int = 0
    phantom: int = 0

    def line(self, round: Round) -> str:
        """Return a row of the table."""
        lost = f"{2 * round.lost} commits" if round.lost else "nothing"
        return (
            f"{round.name:<39} lost: {lost:<11} reported: {_listed(self.reported):<13} "
            f"own writes: {_listed(self.answers):<10} tokens of lost events: {_listed(self.tokens):<9} "
            f"repaired: {', '.join(self.repaired) or 'none':<8} "
            f"skipped: {self.skipped} doubled: {self.doubled} phantom rows: {self.phantom}"
        )


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) or "none"


async def failover(round: Round, pair: Pair, folder: Path) -> Found:
    """Let the primary fail, and return the result."""
    found, kind = Found(), KINDS[round.engine]
    kind.create(pair.primary.url, "shop")
    proxy = Proxy(within(pair.primary.url, "shop"))
    async with proxy.running():
        lost: list[str] = []
        async with running(proxy.url, folder) as app:
            for number in range(KEPT):
                await _open(app.session(), f"kept{number}")
            await app.settle()
            await anyio.to_thread.run_sync(pair.await_replica)
            if round.lost:
                await anyio.to_thread.run_sync(pair.cut)
            for number in range(round.lost):
                session = app.session()
                await _open(session, f"lost{number}")
                lost.append(session.token)
            await app.settle()
            if not round.restarted:
                await _switch(round, pair, proxy, app)
                await _judge(round, app, lost, found)
        if round.restarted:
            await _switch(round, pair, proxy, None)
            async with running(proxy.url, folder) as app:
                await _judge(round, app, lost, found)
    return found


@asynccontextmanager
async def running(url: str, folder: Path) -> AsyncIterator[Application]:
    """Run the bank on a server, with its read models in a file."""
    write = create_async_engine(url)
    read = create_async_engine(f"sqlite+aiosqlite:///{folder / 'read.db'}")
    app = Application("bank", write=SqlAlchemy(write), read=SqlAlchemy(read), lease=1.0)
    app.include(bank)
    try:
        await app.create_schema()
        async with app:
            yield app
    finally:
        await write.dispose()
        await read.dispose()


async def _switch(round: Round, pair: Pair, proxy: Proxy, app: Application | None) -> None:
    if round.slow:
        proxy.refuse()
    await anyio.to_thread.run_sync(pair.promote)
    if round.slow and app is not None:
        await until(lambda: _unreachable(app), "the application was to notice that the server is away")
    proxy.resume()
    proxy.lead_to(within(pair.replica.url, "shop"))


async def _unreachable(app: Application) -> bool:
    return any("does not answer" in each for each in await problems_of(app))


async def _judge(round: Round, app: Application, lost: list[str], found: Found) -> None:
    opened = [f"new{number}" for number in range(NEW)]
    for account in opened:
        session = app.session()
        await _again(session, Open(account_id=account))
        await _again(session, _deposit(account))
        found.answers[await _own_write(session, account)] += 1
    if round.lost:

        async def it_is_reported() -> bool:
            found.reported = Counter(problem.code for problem in (await app.health()).problems)
            return found.reported["events_lost"] > 0

        await until(it_is_reported, "the operator was to get the report")
        for token in lost[-5:]:
            found.tokens[await _own_write(app.session(token), "lost0")] += 1
        found.repaired = tuple(await app.operations.realign())
    await app.settle()
    kept = [f"kept{number}" for number in range(KEPT)]
    rows = [await app.execute(GetBalance(account_id=account)) for account in (*kept, *opened)]
    found.skipped = sum(row is None or row.balance < 1 for row in rows)
    found.doubled = sum(row is not None and row.balance > 1 for row in rows)
    gone = [await app.execute(GetBalance(account_id=f"lost{number}")) for number in range(round.lost)]
    found.phantom = sum(row is not None for row in gone)


async def _open(session: Session, account: str) -> None:
    """Open an account and deposit 1, so that its row shows an event that was skipped or applied twice."""
    await session.dispatch(Open(account_id=account))
    await session.dispatch(_deposit(account))


def _deposit(account: str) -> Deposit:
    return Deposit(account_id=account, amount=Decimal(1))


async def _again(session: Session, command: Open | Deposit) -> None:
    """Repeat a command while connections to the old server fail.

    A refused command has no effect: no commit is in progress here.
    """

    async def done() -> bool:
        with suppress(TwofoldError):
            await session.dispatch(command)
            return True
        return False

    await until(done, "a command was to succeed")


async def _own_write(session: Session, account: str) -> str:
    """Return the answer to a query for the writes of the session."""
    try:
        row = await session.execute(GetBalance(account_id=account))
    except EventsLost:
        return "refused"
    except TwofoldError as error:
        return type(error).__name__
    return "seen" if row == Balance(account_id=account, balance=Decimal(1)) else "missed"
