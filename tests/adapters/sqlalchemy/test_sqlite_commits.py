"""A COMMIT on SQLite that a constraint refuses, or that the disk interrupts."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from twofold import Application, Command, Event, UnitOfWork
from twofold.errors import CommitFailed, CommitUnknown, TransientFailure
from twofold.middleware import retry_conflicts
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

Before = Callable[[UnitOfWork], Awaitable[None]]


class Noted(Event, name="sqlite_commits.noted"):
    text: str


class Note(Command[None]):
    text: str


@asynccontextmanager
async def notes(file: Path, runs: Counter[str], before: Before) -> AsyncIterator[Application]:
    """Run an application whose command "bad" does something before its commit; `runs` counts the calls of the handler."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    app = Application("notes", write=SqlAlchemy(engine), work=False)
    app.use(retry_conflicts(attempts=5), on=Command)

    @app.command_handler(Note)
    async def note(command: Note, unit: UnitOfWork) -> None:
        runs[command.text] += 1
        unit.record(Noted(text=command.text), stream=command.text)
        if command.text == "bad":
            await before(unit)

    try:
        await app.create_schema()
        async with engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
            await connection.exec_driver_sql(
                "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
            )
        async with app:
            yield app
    finally:
        await engine.dispose()


@contextmanager
def no_room() -> Iterator[Callable[[], None]]:
    """Give a function after which this process cannot extend a file, until the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def recorded(app: Application, stream: str) -> int:
    """Return how many events a stream has."""
    return len([event async for event in app.write.log.read(stream)])


async def test_a_commit_that_a_constraint_refuses(tmp_path: Path) -> None:
    """A deferred constraint refuses the COMMIT itself: nothing is written, and later commands work."""

    async def violate(unit: UnitOfWork) -> None:
        transaction = cast(SqlTransaction, await unit.transaction())
        await transaction._transaction.use(lambda c: c.exec_driver_sql("INSERT INTO child VALUES (1)"), "insert")

    runs = Counter[str]()
    async with notes(tmp_path / "notes.db", runs, violate) as app:
        with pytest.raises(CommitFailed, match="Nothing was written"):
            await app.dispatch(Note(text="bad"))
        await app.dispatch(Note(text="good"))
        assert (await recorded(app, "bad"), await recorded(app, "good"), runs["bad"]) == (0, 1, 1)


async def test_a_commit_that_the_disk_interrupts(tmp_path: Path) -> None:
    """An I/O error of the COMMIT has an unknown outcome. The command is not repeated, and later commands work."""
    runs = Counter[str]()
    with no_room() as fill:

        async def fill_before_commit(unit: UnitOfWork) -> None:
            async def callback() -> None:
                fill()

            await unit.transaction()
            unit.before_commit(callback)

        async with notes(tmp_path / "notes.db", runs, fill_before_commit) as app:
            with pytest.raises(CommitUnknown, match="outcome is unknown") as caught, no_room():
                await app.dispatch(Note(text="bad"))
            assert not isinstance(caught.value, TransientFailure | CommitFailed)
            assert runs["bad"] == 1
            await app.dispatch(Note(text="good"))
            assert await recorded(app, "good") == 1
