"""Particulars of MariaDB and MySQL: exact texts and numbers, the schema, and its creation."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import anyio
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from twofold import View
from twofold.errors import ConfigurationError, SchemaMissing, StorageError
from twofold.ports import Condition, Expected, NewEvent, Operator, Ordering, Position, RowChange, Selection
from twofold_sqlalchemy import SqlAlchemy, metadata, upgrade
from twofold_sqlalchemy._dialects.mysql import connections
from twofold_sqlalchemy._dialects.mysql.driver import run

MakeEvent = Callable[[], NewEvent]


class Price(View, name="price", key="id", indexes=["amount", ("shop", "city", "street")]):
    id: str
    amount: Decimal = Decimal(0)
    ratio: float = 0.0
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    shop: str = ""
    city: str = ""
    street: str = ""
    note: str = ""


@pytest.fixture
async def engine(mysql_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    engine = create_async_engine(mysql_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> SqlAlchemy:
    """A store with its tables."""
    store = SqlAlchemy(engine)
    await store.create_schema([Price])
    return store


async def execute(engine: AsyncEngine, *statements: str) -> None:
    """Execute statements and commit."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def append(store: SqlAlchemy, stream: str, *events: NewEvent) -> list[int]:
    """Append in a separate transaction; return the versions."""
    transaction = await store.begin()
    try:
        stored = await transaction.log.append(stream, events, expected=Expected.ANY)
        await transaction.commit()
        return [event.version for event in stored]
    finally:
        await transaction.rollback()


async def put(store: SqlAlchemy, *rows: Price) -> None:
    """Commit some rows."""
    transaction = await store.begin()
    try:
        await transaction.rows(Price).write([RowChange(row.key, row, Position(1)) for row in rows])
        await transaction.commit()
    finally:
        await transaction.rollback()


async def select(store: SqlAlchemy, *where: Condition, order_by: str = "id") -> list[Price]:
    """Return committed rows."""
    transaction = await store.begin(read_only=True)
    try:
        return list(await transaction.rows(Price).select(Selection(where, (Ordering(order_by), Ordering("id")))))
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("change", ["UPDATE twofold_events SET name = 'x'", "DELETE FROM twofold_events"])
async def test_the_log_is_never_changed(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent, change: str
) -> None:
    """Triggers refuse to change or delete events, for every user."""
    await append(store, "a", new_event())

    with pytest.raises(DBAPIError, match="events are never changed or deleted"):
        await execute(engine, change)

    assert [event.name async for event in store.log.read("a")] == ["test.happened"]


async def test_streams_are_distinguished_to_the_last_character(store: SqlAlchemy, new_event: MakeEvent) -> None:
    """Streams whose names differ in case, accents or trailing spaces are distinct, whatever the collation."""
    names = ["a", "A", "a ", "ä", "a\u0308", "a\t", "🚲", "🚀"]

    assert [await append(store, name, new_event()) for name in names] == [[1]] * len(names)
    for name in names:
        assert [event.stream async for event in store.log.read(name)] == [name]


async def test_keys_are_sorted_by_code_point(store: SqlAlchemy) -> None:
    """The order is that of Python, characters outside the basic plane included."""
    keys = ["a", "B", "a ", "Z", "é", "\uffff", "🚲", "", "z"]
    await put(store, *(Price(id=key) for key in keys))

    assert [row.id for row in await select(store)] == sorted(keys)


async def test_decimals_keep_their_exponent_and_are_compared_by_an_index(
    store: SqlAlchemy, engine: AsyncEngine
) -> None:
    """2.50 comes back as 2.50 and equals 2.5. Thirty decimal places are significant. The index on the field is used."""
    tiny = Decimal("0." + "0" * 29 + "1")
    amounts = {"a": Decimal("2.50"), "b": Decimal("1E+3"), "c": Decimal(999), "d": tiny, "e": -tiny, "f": Decimal("-0")}
    await put(store, *(Price(id=key, amount=amount) for key, amount in amounts.items()))

    assert [row.id for row in await select(store, order_by="amount")] == ["e", "f", "d", "a", "c", "b"]
    assert {row.id: str(row.amount) for row in await select(store)} == {key: str(a) for key, a in amounts.items()}
    assert [row.id for row in await select(store, Condition("amount", Operator.EQ, Decimal("2.5")))] == ["a"]
    async with engine.connect() as connection:
        plan = await connection.exec_driver_sql(
            "EXPLAIN SELECT id FROM price WHERE _amount_number > CAST('999' AS DECIMAL(65, 30)) ORDER BY _amount_number"
        )
        assert plan.mappings().one()["key"] == "ix_price__amount"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Price(id="a", amount=Decimal("1E+35")), "35 digits before the decimal point"),
        (Price(id="a", amount=Decimal("1E-31")), "30 after"),
        (Price(id="a", ratio=float("nan")), "neither NaN"),
        (Price(id="a", ratio=float("-inf")), "nor infinity"),
        (Price(id="a", at=datetime(2026, 1, 1)), "no time zone"),  # noqa: DTZ001 -- that is the point
        (Price(id="a" * 381), "at most 380 characters"),
        (Price(id="a", city="a" * 381), "at most 380 characters"),
    ],
    ids=["wide", "fine", "NaN", "infinite", "naive", "key", "indexed"],
)
async def test_a_value_that_does_not_fit_is_refused(store: SqlAlchemy, row: Price, why: str) -> None:
    """Values are not truncated, rounded or converted, even if the mode of the server allows it."""
    with pytest.raises(StorageError, match=why):
        await put(store, row)

    assert await select(store) == []


async def test_the_strict_mode_does_not_depend_on_the_server(mysql_url: str, store: SqlAlchemy) -> None:
    """A connection without strict mode refuses texts that are too long, instead of truncating them."""
    lax = create_async_engine(mysql_url, connect_args={"init_command": "SET SESSION sql_mode = ''"})
    try:
        with pytest.raises(StorageError, match="380"):
            await put(SqlAlchemy(lax), Price(id="a" * 381))
    finally:
        await lax.dispose()


async def test_a_text_that_is_no_key_may_be_long(store: SqlAlchemy) -> None:
    """A text of a million four-byte characters comes back equal. A key can have 380 of them."""
    row = Price(id="🚲" * 380, shop="🚲" * 380, city="🚲" * 380, street="🚲" * 380, note="🚲" * 1_000_000)
    await put(store, row)

    assert await select(store, Condition("shop", Operator.EQ, row.shop)) == [row]


async def test_the_poll_reads_the_primary_key_in_its_order(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """Reading after a position sorts nothing and reads no earlier event."""
    await append(store, "a", *(new_event() for _ in range(200)))
    async with engine.connect() as connection:
        plan = await connection.exec_driver_sql(
            "EXPLAIN SELECT position, data FROM twofold_events WHERE position > 150 AND position <= 200 "
            "AND name IN ('test.happened', 'other') ORDER BY position LIMIT 50"
        )
        found = plan.mappings().one()

    assert (found["key"], found["type"]) == ("PRIMARY", "range")
    assert "filesort" not in found["Extra"]


async def test_the_schema_is_created_once_and_quietly(
    mysql_url: str, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Processes that start at the same time create one schema with one identity. The driver logs nothing."""
    engines = [create_async_engine(mysql_url) for _ in range(4)]
    with caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            for each in engines:
                tasks.start_soon(SqlAlchemy(each).create_schema, [Price])
        store = SqlAlchemy(engine)
        await store.create_schema([Price])
        await store.open([Price])
    identities = {await SqlAlchemy(each).log.identity() for each in engines}
    for each in engines:
        await each.dispose()

    assert len(identities) == 1
    assert caplog.records == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ALTER TABLE twofold_meta ENGINE = MyISAM", "twofold_meta does not use InnoDB"),
        (
            "ALTER TABLE twofold_inbox CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "twofold_inbox.consumer has the collation utf8mb4_general_ci",
        ),
        ("DROP TRIGGER twofold_events_no_delete", "the trigger twofold_events_no_delete is missing"),
        ("ALTER TABLE price MODIFY amount VARCHAR(5) CHARACTER SET ascii", "price.amount should be VARCHAR"),
        ("ALTER TABLE price MODIFY id VARCHAR(380) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "price.id should be"),
    ],
)
async def test_a_schema_that_differs_is_found_when_it_is_opened(
    store: SqlAlchemy, engine: AsyncEngine, change: str, why: str
) -> None:
    """Another storage engine, another collation or a missing trigger would break promises silently later."""
    await store.open([Price])
    await execute(engine, change)

    with pytest.raises((ConfigurationError, SchemaMissing), match=why):
        await store.open([Price])


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
async def test_the_tables_can_be_made_by_migrations(mysql_url: str, engine: AsyncEngine, name: str) -> None:
    """The tables that `metadata` describes are those of the store, under both dialect names of SQLAlchemy."""
    async with engine.connect() as connection:
        if name == "mariadb" and not connection.dialect.is_mariadb:  # type: ignore[attr-defined]
            pytest.skip("the server is MySQL")
    named = create_async_engine(make_url(mysql_url).set(drivername=f"{name}+asyncmy"))
    try:
        async with named.begin() as connection:
            await connection.run_sync(metadata([Price], dialect=name).create_all)
            await connection.run_sync(upgrade)
        store = SqlAlchemy(named)
        await store.create_schema([Price])
        await store.open([Price])
    finally:
        await named.dispose()


async def test_a_missing_privilege_for_triggers_is_reported(mysql_url: str, engine: AsyncEngine) -> None:
    """The error names the missing privilege."""
    database = make_url(mysql_url).database
    account = f"twofold_{uuid4().hex[:12]}"
    await execute(
        engine,
        f"CREATE USER '{account}'@'%%' IDENTIFIED BY 'secret'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX, REFERENCES ON `{database}`.* TO '{account}'@'%%'",
    )
    limited = create_async_engine(make_url(mysql_url).set(username=account, password="secret"))
    try:
        with pytest.raises(
            StorageError, match=r"create twofold_events_no_update: .*TRIGGER.* Grant the missing privilege"
        ):
            await SqlAlchemy(limited).create_schema([])
    finally:
        await limited.dispose()
        await execute(engine, f"DROP USER '{account}'@'%%'")


async def test_another_driver_is_refused(mysql_url: str) -> None:
    """The error names the refused driver."""
    engine = create_async_engine(mysql_url)
    engine.sync_engine.dialect.driver = "aiomysql"
    with pytest.raises(ConfigurationError, match=r"use mysql\+asyncmy"):
        SqlAlchemy(engine)
    await engine.dispose()


async def test_all_connections_have_the_run_of_the_server(
    engine: AsyncEngine, mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of the server does not depend on the seconds that pass between the statements that read it."""
    seconds = count(2_000_000_000, 3)

    async def slow(connection: AsyncConnection, text: str, parameters: tuple[Any, ...] = ()) -> Any:
        await run(connection, f"SET timestamp = {next(seconds)}")
        return await run(connection, text, parameters)

    monkeypatch.setattr(connections, "run", slow)
    store = SqlAlchemy(engine)
    await store.create_schema([])
    first = await store.run()
    transactions = [await store.begin(read_only=True) for _ in range(3)]
    assert await store.run() == first
    for transaction in transactions:
        await transaction.rollback()
