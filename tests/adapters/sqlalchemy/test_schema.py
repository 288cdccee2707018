"""The requirements of `open`, the result of `create_schema`, and refused engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold import View
from twofold.errors import ConfigurationError, SchemaMissing
from twofold_sqlalchemy import SqlAlchemy, metadata, upgrade


class Seat(View, name="seat", key="number", indexes=["row", ("row", "taken")]):
    number: int
    row: str
    taken: bool


OTHER_SEAT = """
    CREATE TABLE seat (number BIGINT PRIMARY KEY, row BIGINT, taken BOOLEAN, _position BIGINT, _deleted BOOLEAN)
"""


async def test_an_empty_database_is_refused_with_all_that_is_missing(engine: AsyncEngine) -> None:
    """The error names each table and the call that creates it."""
    store = SqlAlchemy(engine)

    with pytest.raises(SchemaMissing, match=r"twofold_events is missing.*seat is missing.*create_schema\(\)"):
        await store.open([Seat])


async def test_creating_twice_keeps_existing_data(store: SqlAlchemy) -> None:
    """The log keeps its identity, and new views are added."""
    identity = await store.log.identity()

    await store.create_schema([Seat])
    await store.create_schema([Seat])
    await store.open([Seat])

    assert await store.log.identity() == identity


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE seat DROP COLUMN taken", "seat lacks the column taken"),
        ("DROP TABLE twofold_parked", "twofold_parked is missing"),
        ("DROP TRIGGER twofold_events_no_delete", "twofold_events_no_delete is missing"),
        ("DELETE FROM twofold_meta", "twofold_meta is empty"),
        (f"DROP TABLE seat; {OTHER_SEAT}", "seat.row should be TEXT, but is BIGINT"),
    ],
)
async def test_a_difference_is_named(store: SqlAlchemy, engine: AsyncEngine, change: str, found: str) -> None:
    """A table that was changed by hand is found when the application starts, not when it fails."""
    await store.create_schema([Seat])
    async with engine.begin() as connection:
        for statement in ("DROP INDEX ix_seat__row__taken", "DROP INDEX ix_seat__row", *change.split("; ")):
            await connection.exec_driver_sql(statement)

    with pytest.raises(SchemaMissing, match=found):
        await store.open([Seat])


async def test_migrations_make_the_same_tables(database: Path, engine: AsyncEngine) -> None:
    """`metadata` and `upgrade` are enough for a migration tool."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata([Seat], dialect="sqlite").create_all)
        await connection.run_sync(upgrade)
    await SqlAlchemy(engine).open([Seat])

    sync = create_engine(f"sqlite:///{database}")
    assert {index["name"] for index in inspect(sync).get_indexes("seat")} == {"ix_seat__row", "ix_seat__row__taken"}
    sync.dispose()


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///file:x?mode=memory&cache=shared&uri=true"])
@pytest.mark.filterwarnings("ignore:Selection of the")
async def test_a_database_in_memory_is_refused(url: str) -> None:
    """A database in memory is refused, because all users would share one transaction."""
    engine = create_async_engine(url)

    with pytest.raises(ConfigurationError, match="twofold_memory"):
        SqlAlchemy(engine)


async def test_an_engine_that_was_used_before_is_taken_over(engine: AsyncEngine) -> None:
    """Connections that the pool holds already get Twofold's settings too."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("SELECT 1")

    store = SqlAlchemy(engine)
    await store.create_schema([])
    await store.open([])


async def test_the_engine_still_serves_others(store: SqlAlchemy, engine: AsyncEngine) -> None:
    """A transaction that the user begins is a transaction: it rolls back."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE own (id INTEGER)")
    async with engine.connect() as connection:
        await connection.exec_driver_sql("INSERT INTO own VALUES (1)")
        await connection.rollback()
        assert (await connection.exec_driver_sql("SELECT count(*) FROM own")).scalar() == 0
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2
        assert (await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar() == 1
