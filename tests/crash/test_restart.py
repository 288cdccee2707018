"""Servers that crash and restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from tests.crash.lab import SERVERS, Lab
from tests.crash.stores import opened
from tests.servers.kind import administer, within
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer
from twofold.errors import TransientFailure
from twofold.ports import Expected, LogPage, NewEvent, Position, WriteTransaction
from twofold_sqlalchemy import SqlAlchemy


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """Give a server of our own, with an empty database `shop`."""
    kind = PostgreSQL() if request.param == "postgresql" else MySQL()
    if not kind.installed():
        pytest.skip(f"needs {kind.programs}")
    server = kind.private()
    try:
        kind.create(server.url, "shop")
        yield server
    finally:
        server.remove()


@pytest.fixture
async def lab(server: PrivateServer, tmp_path: Path) -> AsyncIterator[Lab]:
    """Give a lab on that server, and end its processes before the server."""
    lab = Lab(within(server.url, "shop"), tmp_path)
    await lab.prepare()
    yield lab
    lab.close()


async def test_a_server_that_is_killed_and_started_again(lab: Lab, server: PrivateServer, round_number: int) -> None:
    """Workers and writers survive a server that is killed, and one that is shut down regularly."""
    random = Random(round_number)
    for _ in range(2):
        lab.writer(round_number)
        lab.worker()
    for end in (server.kill, server.stop, server.kill):
        await lab.more(random.randint(5, 20))
        end()
        server.start()
    await lab.more(5)
    await lab.finish()


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
async def test_positions_that_a_crash_gives_out_again_are_not_skipped(lab: Lab, server: PrivateServer) -> None:
    """A killed server assigns positions again that it had not yet flushed to disk. Readers wait for them."""
    # The server flushes complete pages of its log when a transaction is rolled back. Without images of whole tables' pages,
    # the few events below mostly fit into one page, which a killed server loses.
    administer(server.url, ["ALTER SYSTEM SET wal_writer_delay = '10s'", "ALTER SYSTEM SET full_page_writes = off"])
    server.stop()
    server.start()
    async with opened(lab.url) as store, opened(lab.url) as reader:
        for _ in range(10):
            lost = await store.begin()
            rolled_back = await lost.log.append("lost", _events(5), expected=Expected.ANY)
            await lost.rollback()
            seen = (await reader.log.read_all()).last
            server.kill()
            server.start()

            late, early = await _again(store), await _again(store)
            (first,) = await late.log.append("late", _events(1), expected=Expected.ANY)
            if first.position <= rolled_back[-1].position:
                break
            await late.rollback()  # the server had flushed the positions
            await early.rollback()
        else:
            pytest.fail("the server never gave positions out again")
        rest = await early.log.append("early", _events(60), expected=Expected.ANY)
        await early.commit()
        page = await _read(reader, seen)
        await late.commit()
        lag = await _read(reader, page.last)
    assert [each.position for each in (*page.events, *lag.events)] == [each.position for each in (first, *rest)]


async def _read(reader: SqlAlchemy, after: Position) -> LogPage:
    """Read on, for which connections to the dead server may have to be given up."""
    while True:
        with suppress(TransientFailure):
            return await reader.log.read_all(after=after)


async def _again(store: SqlAlchemy) -> WriteTransaction:
    """Begin a transaction, for which connections to the dead server may have to be given up."""
    while True:
        with suppress(TransientFailure):
            return await store.begin()


def _events(number: int) -> list[NewEvent]:
    return [NewEvent(uuid4(), "shop.counted", 1, "{}", "{}", datetime.now(UTC)) for _ in range(number)]
