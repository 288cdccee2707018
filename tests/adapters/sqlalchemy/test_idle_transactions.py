"""Transactions of a stalled process: the server ends them, and the process learns that nothing was written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.servers.choice import runnable
from tests.servers.kind import administer
from tests.servers.waiting import wait_until
from twofold import Aggregate, Application, Command, Event, EventBus, Repository, Retry, Router, View
from twofold.errors import ConfigurationError, TransientFailure
from twofold.ports import Position, RowChange
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

IDLE = 1.0
"""Seconds that a transaction may idle; MariaDB counts whole seconds."""


class Item(View, name="item", key="id"):
    id: str


class Made(Event, name="idle.made"):
    id: str


class Make(Command[None]):
    id: str


class Thing(Aggregate, name="thing"):
    id: str


CURRENT = {
    "postgresql": "SELECT setting::float8 / 1000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'",
    "mysql": "SELECT @@idle_transaction_timeout",
}
"""Selects the timeout of a session, in seconds."""

SESSION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}

OPEN = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE id = {}",
}
"""Counts the sessions with a number."""


@pytest.fixture(
    params=runnable(("postgresql", "mariadb"), "The server ends the transactions of a process that is stalled")
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database of a server that can end idle transactions."""
    server = "mysql" if request.param == "mariadb" else request.param
    engine = create_async_engine(request.getfixturevalue(f"new_{server}_url")())
    yield engine
    await engine.dispose()


async def ask(transaction: SqlTransaction, statements: dict[str, str]) -> Any:
    """Return the first value of a statement in a transaction."""
    statement = statements[transaction._transaction.dialect.name]
    found = await transaction._transaction.use(lambda connection: connection.exec_driver_sql(statement), "ask")
    return found.scalar_one()


async def put(transaction: SqlTransaction) -> None:
    """Write the row, and hold its lock."""
    await transaction.rows(Item).write([RowChange("a", Item(id="a"), Position(1))])


async def timeout_of(store: SqlAlchemy) -> float:
    """Return the seconds that a transaction of a store may idle; 0 without a limit."""
    transaction = await store.begin()
    try:
        return float(await ask(transaction, CURRENT))
    finally:
        await transaction.rollback()


@pytest.mark.parametrize(
    ("frozen", "ends_by"),
    [(True, "commit"), (False, "commit"), (True, "statement")],
    ids=["frozen", "waiting", "later"],
)
async def test_an_idle_transaction_is_ended_by_the_server(engine: AsyncEngine, frozen: bool, ends_by: str) -> None:
    """The locks of a stalled process become free. The process gets a transient failure that names the timeout.

    A frozen process notices nothing before it continues. A process that waits for something else reads that the
    connection was closed.
    """
    await SqlAlchemy(engine, idle_transaction_timeout=None).create_schema([Item])
    await engine.dispose()  # its connections have no timeout
    store = SqlAlchemy(engine, idle_transaction_timeout=IDLE)
    stalled = await store.begin()
    session = OPEN[engine.dialect.name].format(await ask(stalled, SESSION))
    await put(stalled)
    url = engine.url.render_as_string(hide_password=False)

    def is_gone() -> bool:
        return int(administer(url, [session])[0]) == 0

    if frozen:
        wait_until(is_gone, "the server was to end the session")  # the event loop does not run
    else:
        await until(is_gone, "the server was to end the session", pause=0.1)
    other = await store.begin()
    await put(other)
    await other.commit()
    with pytest.raises(TransientFailure, match=r"between two statements.*idle_transaction_timeout="):
        await (stalled.commit() if ends_by == "commit" else put(stalled))
    await stalled.rollback()
    await (await store.begin()).rollback()


async def test_an_event_whose_handler_idles_is_parked(engine: AsyncEngine) -> None:
    """A handler that is too slow between two statements fails like any other. Other keys continue."""
    url = engine.url.render_as_string(hide_password=False)
    begun = dict[int, SqlTransaction]()

    async def note(call: Call) -> Any:
        begun[anyio.get_current_task().id] = found = await call()
        return found

    router, handled = Router("idle"), list[str]()

    @router.command_handler(Make)
    async def make(command: Make, events: EventBus) -> None:
        await events.publish(Made(id=command.id))

    @router.event_handler(Made, name="slow", partition_by="id", retry=Retry(attempts=2, delay=0.001))
    async def slow(event: Made, keys: Repository[Thing]) -> None:
        await keys.find(event.id)
        handled.append(event.id)
        if event.id == "slow":
            session = OPEN[engine.dialect.name].format(await ask(begun[anyio.get_current_task().id], SESSION))
            await until(lambda: int(administer(url, [session])[0]) == 0, "the server was to end the session", pause=0.1)
            await keys.find(event.id)

    await SqlAlchemy(engine, idle_transaction_timeout=None).create_schema([])
    await engine.dispose()  # its connections have no timeout
    store: Any = Hooked(SqlAlchemy(engine, idle_transaction_timeout=IDLE), "begin", note)
    app = Application("idle", write=store)
    app.include(router)
    async with app:
        for each in ("slow", "other"):
            await app.dispatch(Make(id=each))
        await app.settle(timeout=CEILING)
        (parked,) = await app.operations.parked("slow")
        assert (parked.key, parked.attempts) == ("slow", 2)
        assert "TransactionIdled" in parked.reason
        assert sorted(handled) == ["other", "slow", "slow"]


async def test_the_default_is_a_minute(engine: AsyncEngine) -> None:
    """Without an argument, the server ends a transaction that idles for 60 seconds."""
    assert await timeout_of(SqlAlchemy(engine)) == 60


@pytest.mark.parametrize(("configured", "given", "wanted"), [(7, 30.0, 7), (50, 30.0, 30), (50, None, 50)])
async def test_a_lower_setting_of_the_engine_is_kept(
    engine: AsyncEngine, configured: int, given: float | None, wanted: float
) -> None:
    """The timeout of the engine applies if it is lower; a higher one is lowered. None keeps either."""
    arguments: dict[str, dict[str, Any]] = {
        "postgresql": {"server_settings": {"idle_in_transaction_session_timeout": f"{configured}s"}},
        "mysql": {"init_command": f"SET SESSION idle_transaction_timeout = {configured}"},
    }
    own = create_async_engine(engine.url, connect_args=arguments[engine.dialect.name])
    assert await timeout_of(SqlAlchemy(own, idle_transaction_timeout=given)) == wanted
    await own.dispose()


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), 86_401])
def test_seconds_that_are_no_timeout(seconds: float) -> None:
    """The constructor refuses them with the value and the range."""
    engine = create_async_engine("sqlite+aiosqlite:///unused.db")
    with pytest.raises(ConfigurationError, match=r"must be a positive number of seconds, at most 86400"):
        SqlAlchemy(engine, idle_transaction_timeout=seconds)
