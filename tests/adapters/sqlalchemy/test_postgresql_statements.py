"""The statements that the store sends to PostgreSQL, as asyncpg logs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.adapters.sqlalchemy.postgresql_lab import event, lab_at, put
from twofold.ports import START, Expected
from twofold_sqlalchemy import SqlAlchemy

Sent = Callable[[Awaitable[Any]], Awaitable[list[str]]]
"""Awaits work, and returns the first word of each statement that was sent."""


@pytest.fixture
async def store(postgresql_url: str) -> AsyncIterator[SqlAlchemy]:
    """A store with one connection, which is configured."""
    async with lab_at(postgresql_url) as lab:
        store = await lab.process(pool_size=1, max_overflow=0)
        await put(store, "first")
        yield store


@pytest.fixture
async def sent(store: SqlAlchemy) -> Sent:
    """Counts statements on the connection of the store."""
    async with store._database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
    log: list[str] = []
    driver.add_query_logger(lambda record: log.append(record.query.split()[0]))

    async def sent(work: Awaitable[Any]) -> list[str]:
        await asyncio.sleep(0)  # asyncpg calls the logger in the next step of the event loop
        log.clear()
        await work
        await asyncio.sleep(0)
        return list(log)

    return sent


async def test_an_append_is_one_statement_in_a_transaction(store: SqlAlchemy, sent: Sent) -> None:
    """A checkout of a configured connection sends nothing, and an append names its generation without a statement."""

    async def append() -> None:
        transaction = await store.begin()
        await transaction.log.append("second", [event()], expected=Expected.NO_STREAM, inline=0)
        await transaction.commit()

    assert await sent(append()) == ["BEGIN", "WITH", "COMMIT"]


async def test_a_page_is_the_end_of_the_log_and_the_events(store: SqlAlchemy, sent: Sent) -> None:
    """The statement that reads a page verifies the event before it, and the one that reads the end does so without news."""
    first = await store.log.read_all(after=START)
    await put(store, "second")

    assert len(await sent(store.log.read_all(after=first.last, event=first.event))) == 2
    second = await store.log.read_all(after=first.last, event=first.event)
    assert len(await sent(store.log.read_all(after=second.last, event=second.event))) == 1


async def test_an_announcement_is_one_statement(store: SqlAlchemy, sent: Sent) -> None:
    """A process notifies the others of its events with one statement."""
    assert await sent(store.log.announce("x")) == ["SELECT"]
