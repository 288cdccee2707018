"""The tests' servers: where they are looked for, and that no test sees what another left."""

from __future__ import annotations

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.servers.databases import Databases
from tests.servers.finding import Source, databases, source, without
from tests.servers.kind import DatabaseKind, administer, reachable
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import free_port
from tests.servers.watching import connected, wait_until_runs

ROOT = Path(__file__).resolve().parent.parent
KINDS: list[DatabaseKind] = [PostgreSQL(), MySQL()]
SLEEP = {"PostgreSQL": "SELECT pg_sleep(600)", "MariaDB or MySQL": "SELECT sleep(600)"}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["postgresql", "mysql"])


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers know no other loop."""
    return "asyncio"


@pytest.fixture
def lender(kind: DatabaseKind, request: pytest.FixtureRequest) -> Databases:
    """Give what lends databases of the kind."""
    lender: Databases = request.getfixturevalue(f"{'mysql' if kind.name != 'PostgreSQL' else 'postgresql'}_databases")
    return lender


def tables(url: str) -> list[str]:
    """Return the names of all tables of a database."""
    schema = "table_schema NOT IN ('pg_catalog', 'information_schema', 'mysql', 'performance_schema', 'sys')"
    here = "table_catalog = current_database()" if "postgresql" in url else "table_schema = database()"
    return administer(url, [f"SELECT table_name FROM information_schema.tables WHERE {here} AND {schema}"])


@pytest.mark.parametrize(
    ("named", "answers", "installed", "expected"),
    [
        ("postgresql+asyncpg://db/test", True, True, Source.NAMED),
        ("postgresql+asyncpg://db/test", False, True, Source.NAMED),
        (None, True, True, Source.USUAL),
        ("", True, False, Source.USUAL),
        (None, False, True, Source.PRIVATE),
        (None, False, False, Source.NONE),
    ],
)
def test_a_server_is_searched_for_in_order(named: str | None, answers: bool, installed: bool, expected: Source) -> None:
    """The environment comes first, then the usual address, then a server of our own."""
    assert source(named, lambda: answers, lambda: installed) is expected


def test_a_server_that_the_environment_names_is_not_searched_for_elsewhere() -> None:
    """No other server is tried, so that tests never run on a server that was not named."""

    def asked() -> bool:
        raise AssertionError

    assert source("mysql+asyncmy://db/test", asked, asked) is Source.NAMED


@each_kind
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, pytest.skip.Exception),
        ({"TWOFOLD_REQUIRE_SERVICES": ""}, pytest.skip.Exception),
        ({"TWOFOLD_REQUIRE_SERVICES": "0"}, pytest.skip.Exception),
        ({"TWOFOLD_REQUIRE_SERVICES": "1"}, pytest.fail.Exception),
    ],
)
def test_a_test_without_its_server_is_skipped_or_fails(
    kind: DatabaseKind, environment: dict[str, str], expected: type[BaseException]
) -> None:
    """It is skipped, and fails where servers are demanded; both times it says all the ways to get one."""
    outcome = without(kind, environment)

    assert isinstance(outcome, expected)
    for way in ("make services", "docker compose", kind.variable, kind.usual, kind.programs):
        assert way in str(outcome)


@each_kind
def test_a_named_server_that_does_not_answer_is_a_failure(kind: DatabaseKind) -> None:
    """It is not replaced by another one, and not skipped either; the message names the variable, not the password."""
    url = make_url(kind.usual).set(port=free_port(), password="hush").render_as_string(hide_password=False)

    with pytest.raises(pytest.fail.Exception, match=kind.variable) as caught, databases(kind, {kind.variable: url}):
        pass

    assert "hush" not in str(caught.value)


@each_kind
def test_something_else_at_the_usual_address_is_no_server(kind: DatabaseKind) -> None:
    """A program that accepts the connection and closes it is not a server."""
    with ThreadPoolExecutor(1) as thread:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = make_url(kind.usual).set(port=listener.getsockname()[1])
            asked = thread.submit(reachable, url.render_as_string())
            listener.accept()[0].close()

        assert not asked.result()


@each_kind
def test_each_test_gets_empty_databases(kind: DatabaseKind, lender: Databases) -> None:
    """Two databases of a test differ, and what it left in them is gone when they are lent again."""
    with lender.lend() as new_url:
        first, second = new_url(), new_url()
        administer(first, ["CREATE TABLE left_behind (id int)", "CREATE VIEW seen AS SELECT * FROM left_behind"])

        assert tables(second) == []
        assert sorted(tables(first)) == ["left_behind", "seen"]

    with lender.lend() as new_url:
        again = [new_url(), new_url()]

        assert {first, second} == set(again)
        assert [tables(url) for url in again] == [[], []]


@each_kind
def test_databases_are_taken_back_from_a_test_that_fails(kind: DatabaseKind, lender: Databases) -> None:
    """A failure leaves nothing behind that the next test could stumble over."""
    with pytest.raises(ZeroDivisionError), lender.lend() as new_url:
        failed = new_url()
        administer(failed, ["CREATE TABLE left_behind (id int)"])
        raise ZeroDivisionError

    assert tables(failed) == []


INSERT = """
INSERT INTO twofold_snapshots (stream, version, snapshot_version, data) VALUES ('s', 1, 1, '{}')
"""


@each_kind
def test_databases_with_tables_are_lent_without_rows(kind: DatabaseKind, lender: Databases) -> None:
    """Rows, tables and views of a test are gone when its database is lent again."""
    with lender.lend(prepared=True) as new_url:
        first = new_url()
        before = sorted(tables(first))
        administer(
            first, [INSERT, "CREATE TABLE left_behind (id int)", "CREATE VIEW seen AS SELECT * FROM left_behind"]
        )

    with lender.lend(prepared=True) as new_url:
        assert new_url() == first
        assert sorted(tables(first)) == before
        assert administer(first, ["SELECT stream FROM twofold_snapshots"]) == []


@each_kind
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE twofold_parked",
        "ALTER TABLE twofold_parked DROP COLUMN reason",
        "CREATE INDEX another ON twofold_parked (position)",
    ],
)
def test_tables_that_a_test_has_changed_are_not_lent_again(kind: DatabaseKind, lender: Databases, change: str) -> None:
    """The next test gets the tables that `create_schema` creates."""
    with lender.lend(prepared=True) as new_url:
        changed = new_url()
        found = kind.clear(lender.url, make_url(changed).database or "")
        administer(changed, [change])

    assert tables(changed) == []
    with lender.lend(prepared=True) as new_url:
        assert kind.clear(lender.url, make_url(new_url()).database or "") == found


@each_kind
async def test_sessions_that_a_test_left_open_are_ended(kind: DatabaseKind, lender: Databases) -> None:
    """An open transaction with locks and a running statement do not delay the next test."""
    with lender.lend() as new_url:
        url = new_url()
        async with connected(url) as idle, connected(url) as busy:
            await idle.execute(text("CREATE TABLE held (id int)"))
            await idle.commit()
            await idle.execute(text("INSERT INTO held VALUES (1)"))
            running = asyncio.ensure_future(busy.execute(text(SLEEP[kind.name])))
            await asyncio.to_thread(wait_until_runs, url, SLEEP[kind.name])

            await asyncio.to_thread(kind.empty, lender.url, make_url(url).database or "")

            assert await asyncio.to_thread(tables, url) == []
            (lost,) = await asyncio.gather(running, return_exceptions=True)
            assert getattr(lost, "connection_invalidated", False)
            await idle.invalidate()


@each_kind
async def test_a_transaction_that_a_test_left_open_keeps_no_row(kind: DatabaseKind, lender: Databases) -> None:
    """It is rolled back before the rows of its tables are deleted."""
    with lender.lend(prepared=True) as new_url:
        url = new_url()
        async with connected(url) as forgotten:
            await forgotten.exec_driver_sql(INSERT)

            await asyncio.to_thread(kind.clear, lender.url, make_url(url).database or "")

            assert await asyncio.to_thread(administer, url, ["SELECT stream FROM twofold_snapshots"]) == []
            await forgotten.invalidate()


@each_kind
def test_all_databases_are_dropped_at_the_end(kind: DatabaseKind, lender: Databases) -> None:
    """The server is left as it was found."""
    ours = Databases(kind, lender.url)
    with ours.lend() as new_url:
        url = new_url()
        assert reachable(url)

    ours.close()

    assert not reachable(url)
    assert reachable(lender.url)


@each_kind
def test_where_no_server_can_be_had_the_test_is_skipped(kind: DatabaseKind) -> None:
    """Nothing answers and nothing is installed: skipped, or failed where servers are demanded."""
    nowhere = make_url(kind.usual).set(port=free_port()).render_as_string()
    lacking: DatabaseKind = type("Lacking", (type(kind),), {"usual": nowhere, "installed": lambda self: False})()

    with pytest.raises(pytest.skip.Exception), databases(lacking, {}):
        pass
    with pytest.raises(pytest.fail.Exception), databases(lacking, {"TWOFOLD_REQUIRE_SERVICES": "1"}):
        pass


def test_make_services_starts_the_servers_of_the_tests() -> None:
    """compose.yml publishes on loopback alone, on the usual ports, from images that name no registry."""
    services = (ROOT / "compose.yml").read_text("utf-8")
    published = re.findall(r"""ports: \["([^"]+)"\]""", services)
    images = re.findall(r"image: (.+)", services)

    assert len(published) == len(images) == services.count("healthcheck:") == 4
    for port in published:
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)
    assert {f"127.0.0.1:{make_url(kind.usual).port}" for kind in KINDS} < {
        port.rpartition(":")[0] for port in published
    }
    for image in images:
        assert re.fullmatch(r"[a-z]+:[\d.]+", image)


def test_the_fixtures_give_urls_of_both(postgresql_url: str, mysql_url: str) -> None:
    """A test that names a fixture gets the URL of a database that is empty."""
    assert tables(postgresql_url) == tables(mysql_url) == []
