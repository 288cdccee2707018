"""Appends and catch-up on SQLite, compared with sqlite3 writing the same rows with the same settings."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._ratio import Ratio, as_fast, rates
from twofold import Application, Event, ReadModel, View, on
from twofold.ports import START, Expected, NewEvent
from twofold_sqlalchemy import SqlAlchemy

SINGLE, BATCHES, BATCH = 300, 20, 100
EVENTS = 10_000


class Counted(Event, name="bench.counted"):
    number: int
    text: str


class Row(View, name="bench_row", key="number"):
    number: int
    text: str


def encoded(number: int, metadata: str = "") -> NewEvent:
    data = json.dumps({"number": number, "text": "something that was counted"})
    return NewEvent(uuid4(), "bench.counted", 1, data, metadata or _metadata(), datetime.now(UTC))


def encoded_batch(size: int, *, first: int = 0) -> list[NewEvent]:
    """Return the events of one command, which share a correlation id."""
    metadata = _metadata()
    return [encoded(number, metadata) for number in range(first, first + size)]


def _metadata() -> str:
    """Return metadata in the form in which Twofold writes it."""
    return json.dumps({"correlation_id": str(uuid4())}, separators=(",", ":"))


def raw_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        """
        PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE events (position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT, version INTEGER, id BLOB UNIQUE,
            name TEXT, schema_version INTEGER, data TEXT, metadata TEXT, time TEXT, UNIQUE (stream, version));
        CREATE TABLE row (number INTEGER PRIMARY KEY, text TEXT, position INTEGER);
        CREATE TABLE checkpoint (name TEXT PRIMARY KEY, position INTEGER);
        """
    )
    return connection


def raw_append(connection: sqlite3.Connection, stream: str, events: list[NewEvent]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO events (stream, version, id, name, schema_version, data, metadata, time) VALUES (?,?,?,?,?,?,?,?)",
        [
            (
                stream,
                version,
                event.id.bytes,
                event.name,
                event.schema,
                event.data,
                event.metadata,
                event.time.isoformat(),
            )
            for version, event in enumerate(events, 1)
        ],
    )
    connection.execute("COMMIT")


def raw_catch_up(connection: sqlite3.Connection) -> int:
    connection.execute("DELETE FROM row")
    position = done = 0
    while True:
        page = connection.execute(
            "SELECT position, data FROM events WHERE position > ? ORDER BY position LIMIT 500", (position,)
        ).fetchall()
        if not page:
            return done
        rows = [(fields["number"], fields["text"], at) for at, text in page for fields in (json.loads(text),)]
        position = page[-1][0]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO row VALUES (?,?,?) ON CONFLICT (number) DO UPDATE SET text = excluded.text", rows
        )
        connection.execute("INSERT OR REPLACE INTO checkpoint VALUES ('row', ?)", (position,))
        connection.execute("COMMIT")
        done += len(rows)


def catching_up(store: SqlAlchemy, name: str) -> Application:
    app = Application("bench", write=store)

    @app.projection(name)
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Counted)
        async def counted(self, event: Counted) -> None:
            await self.rows.put(Row(number=event.number, text=event.text))

    return app


async def measure() -> AsyncIterator[Ratio]:
    """Measure appends of one event and of a batch, and the catch-up of a projection."""
    streams = count()
    with tempfile.TemporaryDirectory() as folder, closing(raw_connection(Path(folder) / "raw.db")) as raw:
        engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder) / 'ours.db'}")
        store = SqlAlchemy(engine)
        await store.create_schema([Row])

        async def append(events: int, times: int) -> int:
            for _ in range(times):
                transaction = await store.begin()
                new = encoded_batch(events)
                await transaction.log.append(f"s-{next(streams)}", new, expected=Expected.NO_STREAM)
                await transaction.commit()
            return events * times

        async def append_raw(events: int, times: int) -> int:
            for _ in range(times):
                raw_append(raw, f"s-{next(streams)}", encoded_batch(events))
            return events * times

        found = await rates({"ours": lambda: append(1, SINGLE), "raw": lambda: append_raw(1, SINGLE)})
        yield as_fast("SQLite: append one event", "raw sqlite3, same rows", found["ours"], found["raw"], 0.6)
        found = await rates({"ours": lambda: append(BATCH, BATCHES), "raw": lambda: append_raw(BATCH, BATCHES)})
        yield as_fast("SQLite: append 100 events", "raw sqlite3, same rows", found["ours"], found["raw"], 0.5)

        await append(EVENTS, 1)
        await append_raw(EVENTS, 1)

        async def catch_up() -> int:
            # The reference does the same. A second round would find rows that were changed by the same positions.
            async with engine.begin() as connection:
                await connection.exec_driver_sql("DELETE FROM bench_row")
            app = catching_up(store, f"rows_{next(streams)}")
            async with app:
                await app.settle()
                return await store.log.count(after=START, upto=await store.log.head())

        async def catch_up_raw() -> int:
            return raw_catch_up(raw)

        found = await rates({"ours": catch_up, "raw": catch_up_raw})
        yield as_fast("SQLite: projection catch-up", "raw sqlite3, same rows", found["ours"], found["raw"], None)
        await engine.dispose()
