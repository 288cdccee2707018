"""Several real processes on one file, one of them killed in the middle."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

from twofold.ports import Expected, NewEvent
from twofold_sqlalchemy import SqlAlchemy

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from uuid import uuid4
from sqlalchemy.ext.asyncio import create_async_engine
from twofold.ports import Expected, NewEvent
from twofold_sqlalchemy import SqlAlchemy

async def main(database, name, count, hold):
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    store = SqlAlchemy(engine, busy_timeout=120)
    await store.create_schema([])
    for number in range(int(count)):
        transaction = await store.begin()
        event = NewEvent(uuid4(), "test.written", 1, "{}", "{}", datetime.now(UTC))
        await transaction.log.append("shared", [event], expected=Expected.ANY)
        await transaction.log.append(name, [event._replace(id=uuid4())], expected=number)
        if hold == "hold":
            print("written", flush=True)
            await asyncio.Event().wait()
        await transaction.commit()
    await engine.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


async def start(database: Path, name: str, count: int, hold: str = "") -> Process:
    """Start a process that appends to a shared stream and to a separate one."""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    arguments = ["-c", WRITER, str(database), name, str(count), hold]
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=PIPE, env=environment)


async def test_two_processes_write_concurrently(database: Path, store: SqlAlchemy) -> None:
    """Every event is stored, streams are numbered without gaps, positions ascend, and no call finds the database busy."""
    writers = [await start(database, f"writer-{number}", 100) for number in range(2)]
    results = [await writer.communicate() for writer in writers]

    assert [(writer.returncode, errors) for writer, (_, errors) in zip(writers, results, strict=True)] == [(0, b"")] * 2
    shared = [event async for event in store.log.read("shared")]
    assert [event.version for event in shared] == list(range(1, 201))
    assert [event.position for event in shared] == sorted(event.position for event in shared)
    for number in range(2):
        own = [event async for event in store.log.read(f"writer-{number}")]
        assert [event.version for event in own] == list(range(1, 101))


async def test_a_process_killed_in_the_middle_of_a_transaction(
    database: Path, store: SqlAlchemy, new_event: Callable[[], NewEvent]
) -> None:
    """The writes of a killed process are never visible, and its lock is released."""
    writer = await start(database, "killed", 1, "hold")
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"written\n"

    writer.send_signal(signal.SIGKILL)
    await writer.communicate()

    transaction = await store.begin()
    stored = await transaction.log.append("shared", [new_event()], expected=Expected.NO_STREAM)
    await transaction.commit()
    assert [event.id async for event in store.log.read("shared")] == [stored[0].id]
    assert [event async for event in store.log.read("killed")] == []
