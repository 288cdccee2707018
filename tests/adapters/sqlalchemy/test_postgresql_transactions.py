"""Transactions on PostgreSQL that break: deadlocks, serialisation failures, lost connections, unknown outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from tests.adapters.sqlalchemy.postgresql_lab import IDLE, Lab, at_once, backend, event, lab_at, put, read, streams
from tests.conftest import NewUrl
from twofold import Aggregate, Application, Command, Event, UnitOfWork
from twofold.errors import CommitUnknown, TransientFailure, UnitOfWorkDoomed
from twofold.middleware import retry_conflicts
from twofold.ports import Expected, WriteTransaction
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_sqlalchemy import AggregateRows, SqlAlchemy, TableMapping
from twofold_sqlalchemy._dialects.postgresql.driver import driver_of
from twofold_sqlalchemy._transaction import SqlTransaction

accounts = Table(
    "accounts",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("balance", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)


class Moved(Event, name="test.moved"):
    amount: int


class Account(Aggregate, name="account"):
    id: str
    balance: int

    def __init__(self, id: str, balance: int = 0) -> None:
        self.id, self.balance = id, balance


class Accounts(TableMapping[Account]):
    root, version = accounts, accounts.c.version

    def to_rows(self, account: Account) -> AggregateRows:
        return AggregateRows({"id": account.id, "balance": account.balance})

    def from_rows(self, rows: AggregateRows) -> Account:
        return Account(rows.root["id"], rows.root["balance"])


class Transfer(Command[None]):
    source: str
    target: str
    amount: int


class Note(Command[None]):
    text: str


@dataclass
class Bank:
    """A database with two accounts, and with a trigger that blocks a COMMIT."""

    lab: Lab
    store: SqlAlchemy

    @property
    def pool(self) -> Any:
        """The store's connections."""
        return self.store._database.engine.pool

    async def balances(self) -> dict[str, int]:
        """Return the committed balances."""
        session = await self.lab.session()
        return {row["id"]: row["balance"] for row in await session.fetch("SELECT id, balance FROM accounts")}

    async def assert_free(self) -> None:
        """Nothing is checked out or left open, and the next command works."""
        assert self.pool.checkedout() == 0
        await self.lab.until(IDLE, 0)
        await put(self.store, "next")

    def application(self, module_setup: Callable[[Application], None]) -> Application:
        """Return an application on the store."""
        app = Application("bank", write=self.store)
        app.use(retry_conflicts(), on=Command)
        module_setup(app)
        return app


@pytest.fixture
async def bank(prepared_postgresql_url: NewUrl) -> AsyncIterator[Bank]:
    """Accounts a and b, and one connection more than a test can explain."""
    async with lab_at(prepared_postgresql_url()) as lab:
        store = await lab.process(state={Account: Accounts()}, pool_size=5, max_overflow=0, pool_timeout=CEILING)
        session = await lab.session()
        await session.execute(
            "CREATE TABLE accounts (id varchar PRIMARY KEY, balance int NOT NULL, version int NOT NULL);"
            "INSERT INTO accounts VALUES ('a', 100, 1), ('b', 100, 1)"
        )
        # A deferred constraint is checked by COMMIT, and this one waits for the advisory lock 7.
        await session.execute(
            "CREATE TABLE slow (id int);"
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$;"
            "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION wait()"
        )
        yield Bank(lab, store)


async def run(transaction: SqlTransaction, sql: str) -> Any:
    """Run a statement in a transaction, as a handler with a separate connection would."""
    return await transaction._transaction.use(lambda connection: connection.exec_driver_sql(sql), "run a statement")


async def change(transaction: WriteTransaction, account: str, amount: int = 1) -> None:
    """Change a row of the user's table."""
    found = await transaction.state(Account).load(account)
    assert found is not None
    changed = cast("Account", found.aggregate)
    changed.balance += amount
    await transaction.state(Account).update(account, changed, expected=found.version)


async def append(transaction: WriteTransaction, stream: str) -> None:
    """Append to a stream."""
    await transaction.log.append(stream, [event()], expected=Expected.ANY)


crossing = pytest.mark.parametrize("write", [change, append], ids=["rows", "streams"])
Write = Callable[[SqlTransaction, str], Awaitable[None]]


async def cross(bank: Bank, write: Write) -> tuple[SqlTransaction, SqlTransaction, TransientFailure]:
    """Let two transactions write two things in opposite order; return the survivor, the victim and its error."""
    transactions = [await bank.store.begin(), await bank.store.begin()]

    async def work(number: int, barrier: asyncio.Barrier) -> None:
        first, second = ("a", "b") if number == 0 else ("b", "a")
        await write(transactions[number], first)
        await barrier.wait()
        await write(transactions[number], second)

    done = await at_once(2, work)
    victim = 0 if done[0] is not None else 1
    assert done[1 - victim] is None
    assert isinstance(done[victim], TransientFailure)
    return transactions[1 - victim], transactions[victim], done[victim]


@crossing
async def test_a_deadlock_dooms_one_unit_and_spares_the_other(bank: Bank, write: Write) -> None:
    """The error of a deadlock's victim names the cause and the remedy. After suppressing it, the next use raises."""
    survivor, victim, error = await cross(bank, write)

    assert "deadlock detected" in str(error)
    assert "Repeat the whole handler on a fresh unit of work" in str(error)
    for use in (write(victim, "c"), append(victim, "d"), victim.commit()):
        with pytest.raises(UnitOfWorkDoomed, match="TransientFailure broke it"):
            await use
    await victim.rollback()
    await survivor.commit()

    if write is change:
        assert await bank.balances() == {"a": 101, "b": 101}
    else:
        assert sorted(await streams(bank.store)) == ["a", "b"]
    await bank.assert_free()


async def test_a_deadlock_in_a_savepoint_dooms_the_whole_unit(bank: Bank) -> None:
    """Leaving the savepoint heals nothing, as on databases that have rolled everything back by then."""
    transactions = [await bank.store.begin(), await bank.store.begin()]

    async def work(number: int, barrier: asyncio.Barrier) -> None:
        first, second = ("a", "b") if number == 0 else ("b", "a")
        transaction = transactions[number]
        await change(transaction, first)
        await barrier.wait()
        try:
            try:
                async with transaction.savepoint():
                    await change(transaction, second)
            except TransientFailure:
                await append(transaction, "second half")
            await transaction.commit()
        finally:
            await transaction.rollback()

    done = await at_once(2, work)

    assert [type(found) for found in done if found is not None] == [UnitOfWorkDoomed]
    assert await bank.balances() == {"a": 101, "b": 101}
    assert await streams(bank.store) == []
    await bank.assert_free()


async def test_after_a_deadlock_the_whole_handler_runs_again(bank: Bank) -> None:
    """Two commands that cross each other both succeed: more runs than commands, two effects, each event once."""
    barrier, runs = asyncio.Barrier(2), 0

    def setup(app: Application) -> None:
        @app.command_handler(Transfer)
        async def transfer(command: Transfer, unit: UnitOfWork) -> None:
            nonlocal runs
            runs += 1
            first = runs <= 2
            transaction = await unit.transaction()
            await change(transaction, command.source, -command.amount)
            if first:
                await barrier.wait()
            await change(transaction, command.target, command.amount)
            unit.record(Moved(amount=command.amount))

    async with bank.application(setup) as app:
        await asyncio.gather(
            app.dispatch(Transfer(source="a", target="b", amount=10)),
            app.dispatch(Transfer(source="b", target="a", amount=3)),
        )

    assert runs > 2
    assert await bank.balances() == {"a": 93, "b": 107}
    assert sorted(event.data for event in await read(bank.store)) == ['{"amount":10}', '{"amount":3}']
    await bank.assert_free()


async def test_a_handler_that_swallows_a_deadlock_commits_nothing(bank: Bank) -> None:
    """The unit of work is rolled back, and the caller gets an error."""
    barrier = asyncio.Barrier(2)

    def setup(app: Application) -> None:
        @app.command_handler(Transfer)
        async def transfer(command: Transfer, unit: UnitOfWork) -> None:
            transaction = await unit.transaction()
            await change(transaction, command.source, -command.amount)
            await barrier.wait()
            with suppress(TransientFailure):
                await change(transaction, command.target, command.amount)
            unit.record(Moved(amount=command.amount))

    async with bank.application(setup) as app:
        done = await asyncio.gather(
            app.dispatch(Transfer(source="a", target="b", amount=10)),
            app.dispatch(Transfer(source="b", target="a", amount=10)),
            return_exceptions=True,
        )

    assert sorted(type(found).__name__ for found in done) == ["NoneType", "UnitOfWorkDoomed"]
    assert sum((await bank.balances()).values()) == 200
    assert len(await read(bank.store)) == 1
    await bank.assert_free()


async def skewed(bank: Bank) -> Sequence[SqlTransaction]:
    """Return two serialisable transactions, each of which has read a row that the other has written."""
    transactions = [await bank.store.begin(), await bank.store.begin()]
    for transaction in transactions:
        await run(transaction, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        await run(transaction, "SELECT sum(balance) FROM accounts")
    for transaction, account in zip(transactions, ("a", "b"), strict=True):
        await run(transaction, f"UPDATE accounts SET balance = 0 WHERE id = '{account}'")
        await append(transaction, account)
    return transactions


async def test_a_serialisation_failure_in_the_middle(bank: Bank) -> None:
    """The error dooms the unit of work, which may be repeated."""
    first, second = await skewed(bank)
    await first.commit()

    with pytest.raises(TransientFailure, match="could not serialize access"):
        await run(second, "UPDATE accounts SET balance = 1 WHERE id = 'a'")
    with pytest.raises(UnitOfWorkDoomed):
        await second.commit()
    await second.rollback()

    assert await streams(bank.store) == ["a"]
    await bank.assert_free()


async def test_a_serialisation_failure_at_commit(bank: Bank) -> None:
    """The database refused: nothing is visible, and repeating the handler may help."""
    first, second = await skewed(bank)
    await first.commit()

    with pytest.raises(TransientFailure, match=r"cannot commit.*could not serialize access"):
        await second.commit()

    assert (await streams(bank.store), await bank.balances()) == (["a"], {"a": 0, "b": 100})
    await bank.assert_free()


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_session_that_is_ended_between_two_statements(bank: Bank, read_only: bool) -> None:
    """The next use is a `TransientFailure` that dooms the unit; the connection is never used again."""
    transaction = await bank.store.begin(read_only=read_only)
    session = await backend(transaction)
    await bank.lab.end(session)

    with pytest.raises(TransientFailure, match="fresh unit of work"):
        await transaction.state(Account).load("a")
    with pytest.raises(UnitOfWorkDoomed):
        await transaction.state(Account).load("a")
    await transaction.rollback()

    await bank.assert_free()
    later = [await bank.store.begin() for _ in range(5)]
    assert session not in {await backend(each) for each in later}
    for each in later:
        await each.rollback()


async def test_a_session_that_is_ended_in_the_middle_of_an_append(bank: Bank) -> None:
    """If a session ends while its append waits for a lock, readers continue immediately, and the handler can be repeated."""
    first, second = await bank.store.begin(), await bank.store.begin()
    await append(first, "shared")
    session = await backend(second)
    waiting = asyncio.create_task(append(second, "shared"))
    await bank.lab.until_waiting()
    await put(bank.store, "behind")
    assert await streams(bank.store) == []
    await bank.lab.end(session)

    with pytest.raises(TransientFailure, match="fresh unit of work"):
        await waiting
    await second.rollback()
    assert await streams(bank.store) == []
    await first.commit()

    assert await streams(bank.store) == ["shared", "behind"]
    await bank.assert_free()


async def test_sessions_that_are_ended_in_the_pool(bank: Bank) -> None:
    """However many connections went while they were idle, the next transactions and reads do not notice."""
    for reading in (False, True):
        opened = [await bank.store.begin() for _ in range(5)]
        sessions = [await backend(each) for each in opened]
        for each in opened:
            await each.rollback()
        for session in sessions:
            await bank.lab.end(session)

        assert await (streams(bank.store) if reading else put(bank.store, "kept"))

    await bank.assert_free()


async def commit_held(bank: Bank) -> tuple[asyncio.Task[None], int]:
    """Return a commit that was sent and waits in the server, and its session. Session-level lock 7 holds it."""
    holder = await bank.lab.session()
    await holder.execute("SELECT pg_advisory_lock(7)")
    transaction = await bank.store.begin()
    await append(transaction, "held")
    await run(transaction, "INSERT INTO slow VALUES (1)")
    session = await backend(transaction)
    commit = asyncio.create_task(transaction.commit())
    await bank.lab.until_waiting()
    return commit, session


async def test_a_session_that_is_ended_during_commit(bank: Bank) -> None:
    """If a session ends during the commit, the outcome is reported as unknown.

    The error is not a `TransientFailure`.
    """
    commit, session = await commit_held(bank)
    await bank.lab.end(session)

    with pytest.raises(CommitUnknown, match=r"outcome is unknown.*read the data before you repeat") as failure:
        await commit

    assert not isinstance(failure.value, TransientFailure)
    await bank.assert_free()


async def test_a_commit_that_is_stopped_by_the_server(bank: Bank) -> None:
    """A COMMIT that was refused for certain wrote nothing, and may be repeated."""
    commit, session = await commit_held(bank)
    await bank.lab.ask("SELECT pg_cancel_backend($1)", session)

    with pytest.raises(TransientFailure, match="cannot commit"):
        await commit

    assert await streams(bank.store) == []
    await bank.assert_free()


async def test_a_session_that_is_ended_before_commit(bank: Bank) -> None:
    """If a session ends before the commit, no COMMIT is sent: nothing is written, and the connection is closed."""
    transaction = await bank.store.begin()
    await append(transaction, "lost")
    await bank.lab.end(await backend(transaction))
    driver = driver_of(transaction._transaction.connection)
    await until(driver.is_closed, "asyncpg was to notice")

    with pytest.raises(TransientFailure, match="cannot commit"):
        await transaction.commit()

    assert await streams(bank.store) == []
    await bank.assert_free()


async def test_a_replaced_connection_runs_statements_of_sqlalchemy(bank: Bank) -> None:
    """A connection that was closed in the pool is replaced by one with the options of the engine."""
    transaction = await bank.store.begin()
    session, driver = await backend(transaction), driver_of(transaction._transaction.connection)
    await transaction.rollback()
    await bank.lab.end(session)
    await until(driver.is_closed, "asyncpg was to notice")

    await bank.store.create_schema([])

    await bank.assert_free()


async def test_a_command_with_an_unknown_outcome_is_not_repeated(bank: Bank) -> None:
    """A command whose session is lost before the commit is repeated. Both cases leave a pool that works."""
    runs: list[str] = []

    def setup(app: Application) -> None:
        @app.command_handler(Note)
        async def note(command: Note, unit: UnitOfWork) -> None:
            runs.append(command.text)
            transaction = await unit.transaction()
            await change(transaction, "a")
            if command.text == "middle" and len(runs) == 1:
                assert await bank.lab.ask(TERMINATE_WRITER)
            if command.text == "commit":
                await run(cast(SqlTransaction, transaction), "INSERT INTO slow VALUES (1)")
            await change(transaction, "b")

    async with bank.application(setup) as app:
        await app.dispatch(Note(text="middle"))
        assert runs == ["middle", "middle"]

        holder = await bank.lab.session()
        await holder.execute("SELECT pg_advisory_lock(7)")
        commit = asyncio.create_task(app.dispatch(Note(text="commit")))
        await bank.lab.until_waiting()
        assert await bank.lab.ask(TERMINATE_WRITER)
        with pytest.raises(CommitUnknown, match="outcome is unknown"):
            await commit
        assert runs == ["middle", "middle", "commit"]

    await bank.assert_free()


TERMINATE_WRITER = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL
"""
