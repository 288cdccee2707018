"""A server that restarts or is replaced: running readers skip no event."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.adapters.sqlalchemy.postgresql_lab import INSERT, Lab, begun, lab_at, put, read, streams
from tests.servers.pgbouncer import installed, pgbouncer
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer
from twofold.errors import ConfigurationError, TransientFailure
from twofold_sqlalchemy import SqlAlchemy

SEQUENCE = "pg_get_serial_sequence('twofold_events', 'position')"


@pytest.fixture(scope="module")
def running() -> Iterator[PrivateServer]:
    """A server of our own that allows prepared transactions."""
    kind = PostgreSQL()
    if not kind.installed():
        pytest.skip(f"no private server: {kind.programs} are not installed")
    server = kind.private()
    server.stop()
    server.command = [*server.command, "-c", "max_prepared_transactions=5"]
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def server(running: PrivateServer) -> PrivateServer:
    """The server, with nothing in it."""
    PostgreSQL().empty(running.url, "postgres")
    return running


@pytest.fixture
async def lab(server: PrivateServer) -> AsyncIterator[Lab]:
    """Its database."""
    async with lab_at(server.url) as lab:
        yield lab


async def once_more(store: SqlAlchemy) -> list[str]:
    """Return the events of a reader whose connections were lost. Its first read may fail."""
    try:
        return await streams(store)
    except TransientFailure:
        return await streams(store)


async def one_process_killed(server: PrivateServer, lab: Lab) -> None:
    """Kill a session's process, and return when the server has recovered from that."""
    session, gone = await lab.session(), anyio.Event()
    session.add_termination_listener(lambda *_: gone.set())
    os.kill(await (await lab.session()).fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    await gone.wait()
    server.recovered()


async def test_a_killed_server_gives_positions_out_again(server: PrivateServer, lab: Lab) -> None:
    """Positions of a transaction that was open when the server died are assigned again, and readers wait for them."""
    store, reader = await lab.process(), await lab.process()
    await put(store, "kept")
    late = await lab.session()
    await late.execute("BEGIN")
    await late.execute(INSERT.format(stream="lost"))
    for _ in range(40):  # more than a server writes down ahead of time
        await late.execute(f"SELECT nextval({SEQUENCE})")
    assert await streams(reader) == ["kept"]
    taken = await late.fetchval(f"SELECT currval({SEQUENCE})")
    server.kill()
    server.start()

    assert await once_more(reader) == ["kept"]
    store = await lab.process()
    first, second = await begun(store, "first"), await begun(store, "second")
    await second.commit()
    assert await lab.ask(f"SELECT pg_sequence_last_value({SEQUENCE}::regclass)") < taken
    assert await streams(reader) == ["kept"]
    await first.commit()

    assert await streams(reader) == ["kept", "first", "second"]


async def test_a_server_that_lost_its_last_commits(server: PrivateServer, lab: Lab) -> None:
    """After a restored backup or a failover, the server assigns passed positions again: it reads from there again."""
    store = await lab.process()
    for number in range(5):
        await put(store, f"lost-{number}")
    reader = await lab.process()
    assert len(await read(reader)) == 5
    server.stop()
    server.start()
    # This is what a backup of three events ago looks like.
    triggers = "ALTER TABLE twofold_events {} TRIGGER twofold_events_unchanged"
    await lab.ask(triggers.format("DISABLE"))
    await lab.ask("DELETE FROM twofold_events WHERE position > 2")
    await lab.ask(triggers.format("ENABLE"))
    await lab.ask(f"SELECT setval({SEQUENCE}, 2)")

    store = await lab.process()
    first = await begun(store, "first")
    await put(store, "second")
    assert await once_more(reader) == ["lost-0", "lost-1"]
    assert await reader.log.head() == 2
    await first.commit()

    assert await streams(reader) == ["lost-0", "lost-1", "first", "second"]


@pytest.mark.parametrize("ended", ["nothing", "the server", "one process of it"])
async def test_a_prepared_transaction_is_waited_for(server: PrivateServer, lab: Lab, ended: str) -> None:
    """A prepared transaction keeps the lock without a session, under any name, until it is committed or rolled back."""
    store, reader = await lab.process(), await lab.process()
    by_hand = await lab.session()
    await by_hand.execute("BEGIN")
    await by_hand.execute(INSERT.format(stream="prepared"))
    await put(store, "behind")
    assert await streams(reader) == []
    await by_hand.execute("PREPARE TRANSACTION 'by hand'")
    if ended == "the server":
        server.stop()
        server.start()
    elif ended == "one process of it":
        # The others end with it. The server recovers and continues, and the time of its start does not change.
        started = await lab.ask("SELECT pg_postmaster_start_time()")
        await one_process_killed(server, lab)
        assert await lab.ask("SELECT pg_postmaster_start_time()") == started

    assert await once_more(reader) == []
    assert await streams(await lab.process()) == []
    ((said, seconds),) = await reader.log.blocking_transactions()
    assert "the prepared transaction 'by hand'" in said
    assert seconds > 0
    await lab.ask("COMMIT PREPARED 'by hand'")

    assert await streams(reader) == ["prepared", "behind"]


async def test_a_standby_is_refused_as_a_source(server: PrivateServer, lab: Lab) -> None:
    """A standby does not know the locks of the primary: the log is not read there, until it is promoted."""
    store = await lab.process()
    await (await begun(store, "undone")).rollback()
    await put(store, "kept")
    assert await streams(store) == ["kept"]
    server.stop()
    standby = server.folder / "data" / "standby.signal"
    standby.touch()
    standby.chmod(0o666)
    server.start()

    for reader in (store, await lab.process()):
        with pytest.raises(ConfigurationError, match=r"standby.*primary"):
            await once_more(reader)
    await lab.ask("SELECT pg_promote()")

    assert await streams(store) == ["kept"]


async def test_a_restart_behind_a_connection_pooler(server: PrivateServer) -> None:
    """The pooler keeps the connection of the client, so that the store asks for the run of the server at each use."""
    if not installed():
        pytest.skip("no connection pooler: pgbouncer is not installed")
    pooler = pgbouncer(server.url, "transaction", sessions=3)
    engine = create_async_engine(pooler.url)
    try:
        store = SqlAlchemy(engine)
        await store.create_schema([])
        await put(store, "before")
        first = await store.run()
        assert await streams(store) == ["before"]
        assert await store.run() == first

        server.stop()
        server.start()

        assert await once_more(store) == ["before"]
        assert await store.run() != first
    finally:
        await engine.dispose()
        pooler.remove()
