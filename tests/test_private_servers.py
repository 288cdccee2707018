"""Servers that the tests start for themselves: they can be stopped and killed, and never outlive the tests."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.servers.finding import databases
from tests.servers.kind import DatabaseKind, administer, reachable, within
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer, free_port
from tests.servers.waiting import wait_until
from tests.servers.watching import connected, wait_until_runs

ROOT = Path(__file__).resolve().parent.parent
KINDS: list[DatabaseKind] = [PostgreSQL(), MySQL()]
# Kept busy, not waiting: a session that waits would notice by itself that its server is gone.
LONG = {
    "PostgreSQL": "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "MariaDB or MySQL": "SELECT benchmark(1000000000, sha2('busy', 512))",
}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=["postgresql", "mysql"])


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers know no other loop."""
    return "asyncio"


@pytest.fixture
def private(kind: DatabaseKind) -> Iterator[PrivateServer]:
    """Give a private server."""
    if not kind.installed():
        pytest.skip(f"needs {kind.programs}")
    server = kind.private()
    yield server
    server.remove()


@each_kind
def test_a_private_server_keeps_what_was_committed(kind: DatabaseKind, private: PrivateServer) -> None:
    """It is ours alone, may be stopped and killed, and has at the next start what it had; at the end nothing is left."""
    kind.create(private.url, "kept")
    url = within(private.url, "kept")
    administer(url, ["CREATE TABLE numbers (n int)", "INSERT INTO numbers VALUES (1)"])

    private.stop()
    assert not reachable(url)
    private.start()
    administer(url, ["INSERT INTO numbers VALUES (2)"])
    private.kill()
    assert not reachable(url)
    private.start()

    assert administer(url, ["SELECT n FROM numbers ORDER BY n"]) == [1, 2]
    private.remove()
    assert not reachable(url)
    assert not private.folder.exists()


@each_kind
async def test_no_session_outlives_a_killed_server(kind: DatabaseKind, private: PrivateServer) -> None:
    """A statement that runs when the server is killed ends with it."""
    async with connected(private.url) as busy:
        running = asyncio.ensure_future(busy.execute(text(LONG[kind.name])))
        await asyncio.to_thread(wait_until_runs, private.url, LONG[kind.name])

        await asyncio.to_thread(private.kill)

        (lost,) = await asyncio.gather(running, return_exceptions=True)
        assert getattr(lost, "connection_invalidated", False)
    private.start()


@each_kind
def test_a_private_server_ends_with_the_tests_that_started_it(kind: DatabaseKind) -> None:
    """Tests that are killed leave no server and no data behind."""
    if not kind.installed():
        pytest.skip(f"needs {kind.programs}")
    start = f"from tests.servers.{type(kind).__module__.rsplit('.', 1)[-1]} import {type(kind).__name__}\n"
    start += f"server = {type(kind).__name__}().private()\nprint(server.url, server.folder, flush=True)\ninput()"
    command = [sys.executable, "-c", start]
    tests = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    url, folder = tests.stdout.readline().split()
    assert reachable(url)

    tests.kill()
    tests.communicate()

    wait_until(lambda: not Path(folder).exists(), "the data was to be removed")
    assert not reachable(url)


def test_the_error_of_a_private_server_that_cannot_start(tmp_path: Path) -> None:
    """The error contains the end of the server's log."""
    command = ["sh", "-c", "echo no room; exit 1"]
    server = PrivateServer("nowhere", command, tmp_path, None, lambda url: False, signal.SIGTERM)

    with pytest.raises(RuntimeError, match="no room"):
        server.start()


def test_without_a_server_the_tests_start_one_of_their_own() -> None:
    """Where nothing answers at the usual address, databases are lent from a private server, which ends with its use."""
    if not PostgreSQL().installed():
        pytest.skip(f"needs {PostgreSQL.programs}")

    class Elsewhere(PostgreSQL):
        usual = make_url(PostgreSQL.usual).set(port=free_port()).render_as_string()

    with databases(Elsewhere(), {}) as lender, lender.lend() as new_url:
        url = new_url()
        assert url.startswith("postgresql+asyncpg://postgres@127.0.0.1:")
        assert make_url(url).port not in {make_url(PostgreSQL.usual).port, make_url(Elsewhere.usual).port}
        assert reachable(url)

    assert not reachable(lender.url)
