"""A recorded database of an earlier schema version is upgraded, and the application continues with its data."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold import View
from twofold.errors import ConfigurationError, IdempotencyKeyReused, SchemaMissing
from twofold.testing.conformance._tools.problems import problems_of
from twofold_sqlalchemy import SqlAlchemy, include_name, metadata, upgrade
from twofold_sqlalchemy._schema.tables import SCHEMA

from .ledger import Balance, Book, GetBalance, GetTotal, Total, application

FOLDER = Path(__file__).parent
VERSIONS = sorted({int(file.stem.split("_")[1]) for file in FOLDER.glob("*.json")})


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    else:
        url = request.getfixturevalue("new_mysql_url" if request.param == "mariadb" else "new_postgresql_url")()
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture(params=VERSIONS)
async def engine(request: pytest.FixtureRequest, empty: AsyncEngine) -> AsyncEngine:
    """An engine on a database of an earlier version."""
    name = "mariadb" if empty.dialect.name in ("mysql", "mariadb") else empty.dialect.name
    async with empty.begin() as connection:
        for statement in json.loads((FOLDER / f"{name}_{request.param}.json").read_text("utf-8")):
            await connection.exec_driver_sql(statement)
    return empty


class LargerTotal(View, name="ledger_total", key="name"):
    name: str
    bookings: int
    note: str = ""


def statements(printed: str) -> list[str]:
    """Return the statements of a script."""
    return [each for part in printed.split(";\n\n") if (each := part.strip())]


async def test_the_application_continues_with_its_data(engine: AsyncEngine) -> None:
    """After the upgrade, rows, state, keys, checkpoints, parked events and the schedule are those from before."""
    store = SqlAlchemy(engine)
    before = await store.migrations.current()
    assert (await store.migrations.upgrade())[-1] == SCHEMA == await store.migrations.current()
    async with application(store) as app, app.session() as session:
        repeated = partial(session.dispatch, Book(account_id="a", amount=Decimal("1.50")), idempotency_key="key-2")
        if before == 7:
            with pytest.raises(IdempotencyKeyReused):  # it had other fingerprints, and a repetition must take no effect
                await repeated()
        else:
            assert await repeated() == Decimal(3)
        assert await session.dispatch(Book(account_id="a", amount=Decimal(1))) == Decimal(4)
        assert await session.execute(GetBalance(account_id="a")) == Balance(account_id="a", balance=Decimal(4))
        assert await session.execute(GetTotal()) == Total(name="all", bookings=6)
        assert [each.key for each in await app.operations.parked("ledger_audit")] == ["ledger_account-b"] * 2
        assert [each.id for each in await app.operations.scheduled()] == ["later"]


async def test_events_from_before_are_found_by_correlation_id(engine: AsyncEngine) -> None:
    """The index has the events that were appended before the upgrade, and those after it."""
    store = SqlAlchemy(engine)
    await store.migrations.upgrade()
    async with application(store) as app:
        await app.dispatch(Book(account_id="a", amount=Decimal(1)))
        for event in (await app.operations.events()).events:
            assert event.correlation_id is not None
            found = await app.operations.events(correlation_id=event.correlation_id)
            assert found.events == (event,)


async def test_the_fields_of_views_are_recorded_without_a_rebuild(engine: AsyncEngine) -> None:
    """Rows of an earlier version are taken for complete. A field that a later release adds is reported."""
    store = SqlAlchemy(engine)
    await store.migrations.upgrade()
    async with application(store) as app:
        assert [each for each in await problems_of(app) if "ledger_balances" in each] == []
        assert (await store.log.inline()).views == {
            "ledger_totals": '[["ledger_total bookings name"],["ledger.booked"]]'
        }
    (contents,) = {each.checkpoint.contents for each in await store.subscriptions.partitions("ledger_balances")}
    assert contents == '[["ledger_balance account_id balance"],["ledger.booked"]]'


async def test_the_tables_are_those_of_a_new_database(engine: AsyncEngine) -> None:
    """An upgraded database passes the check of a new one, and a second upgrade does nothing."""
    store = SqlAlchemy(engine)
    await store.migrations.upgrade()
    await store.create_schema([])
    await store.open([Balance, Total])
    assert await store.migrations.upgrade() == []


async def test_an_older_database_is_refused_until_it_is_upgraded(engine: AsyncEngine) -> None:
    """Neither a start nor `create_schema` touches the old tables. The error names the command."""
    store = SqlAlchemy(engine)
    for call in (store.open, store.create_schema):
        with pytest.raises(SchemaMissing, match="twofold schema upgrade"):
            await call([Balance, Total])
    assert await store.migrations.current() in VERSIONS


async def test_a_newer_database_is_refused(empty: AsyncEngine) -> None:
    """An older release does not touch the tables of a newer one."""
    store = SqlAlchemy(empty)
    await store.create_schema([])
    async with empty.begin() as connection:
        await connection.execute(text("UPDATE twofold_meta SET schema_version = 99"))
    for call in (store.open([]), store.create_schema([])):
        with pytest.raises(SchemaMissing, match=r"version 99.*Install the release"):
            await call
    for refused in (store.migrations.upgrade(), store.migrations.sql()):
        with pytest.raises(ConfigurationError, match="version 99"):
            await refused


async def test_the_printed_statements_upgrade_too(engine: AsyncEngine) -> None:
    """An administrator can run the statements instead."""
    store = SqlAlchemy(engine)
    printed = await store.migrations.sql()
    async with engine.begin() as connection:
        for statement in statements(printed):
            await connection.exec_driver_sql(statement)
    await store.open([Balance, Total])


async def test_a_new_database_from_a_users_own_migration(empty: AsyncEngine) -> None:
    """`upgrade` creates all tables in the connection of another migration tool."""
    async with empty.begin() as connection:
        assert await connection.run_sync(upgrade) == [SCHEMA]
    await SqlAlchemy(empty).open([])


async def test_the_printed_statements_fill_an_empty_database(empty: AsyncEngine) -> None:
    """The statements for an empty database create what the application needs."""
    store = SqlAlchemy(empty)
    async with empty.begin() as connection:
        for statement in statements(await store.migrations.sql(empty=True)):
            await connection.exec_driver_sql(statement)
    await store.open([])


async def test_autogenerate_finds_no_difference(empty: AsyncEngine) -> None:
    """Alembic compares the tables of views alone, and finds only what has changed."""
    store = SqlAlchemy(empty)
    await store.create_schema([Balance, Total])
    await store.create_shadows([Balance, Total])

    def differences(connection: Connection, *views: type[View]) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_name": include_name})
        return list(compare_metadata(context, metadata(views, dialect=connection.dialect.name)))

    async with empty.connect() as connection:
        assert await connection.run_sync(differences, Balance, Total) == []
        ((action, _, table, column),) = await connection.run_sync(differences, Balance, LargerTotal)
    assert (action, table, column.name) == ("add_column", "ledger_total", "note")


async def test_an_interrupted_upgrade_of_an_empty_database_is_continued(empty: AsyncEngine) -> None:
    """The next upgrade creates the tables, indexes and triggers that are missing, and the identity."""
    store = SqlAlchemy(empty)
    await store.migrations.upgrade()
    on_table = " ON twofold_parked" if empty.dialect.name in ("mysql", "mariadb") else ""
    index = f"DROP INDEX twofold_parked_key{on_table}"
    async with empty.begin() as connection:
        for statement in ("DROP TABLE twofold_keys", index, "DELETE FROM twofold_meta"):
            await connection.exec_driver_sql(statement)
    assert await store.migrations.upgrade() == [SCHEMA]
    await store.open([])  # compares tables, indexes and triggers


async def test_an_interrupted_upgrade_is_continued(engine: AsyncEngine) -> None:
    """On MariaDB every statement commits. The next upgrade skips what the first one has done."""
    store = SqlAlchemy(engine)
    before = await store.migrations.current()
    await store.migrations.upgrade()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE twofold_meta SET schema_version = :before"), {"before": before})
    assert (await store.migrations.upgrade())[-1] == SCHEMA
    await store.open([Balance, Total])
