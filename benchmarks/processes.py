"""Processes of three steps on PostgreSQL, compared with workflows of DBOS that do the same work on the same server.

Each step writes one row: an event on Twofold's side, a row of a table on the other side. Both start up to 32 flows at the
same time, and do not limit how many run. Both commit the row together with the record that the step is done, so that a
step takes effect once, wherever a crash happens. Every commit waits for the server's own durability, which is the same for
both.

- Twofold records the start in the transaction of the command. A step is one transaction: its row, the state, the next
  command, and the checkpoint of the partition.
- DBOS records the start before the function runs. A step is one transaction in the user's database, with its result. DBOS
  also records each step and the end of the workflow in its system database.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._ratio import Ratio, as_fast
from benchmarks.postgresql import PEER, SERVER, database
from twofold import Application, Command, Event, Flow, Process, UnitOfWork, on_reply, starts
from twofold_sqlalchemy import SqlAlchemy

PROCESSES, WRITERS, PARTITIONS, ROUNDS = 400, 32, 16, 3


class Begun(Event, name="bench.process_begun"):
    """A process begins."""

    key: str


class Written(Event, name="bench.process_written"):
    """A step has written its row."""

    key: str
    step: int


class Begin(Command[None]):
    key: str


class First(Command[int], name="bench.process_first"):
    key: str


class Second(Command[int], name="bench.process_second"):
    key: str


class Third(Command[int], name="bench.process_third"):
    key: str


class ThreeSteps(Process, name="bench.three_steps", key="key"):
    """Three commands, one after another."""

    key: str
    total: int = 0

    @starts(Begun)
    def begun(self, event: Begun, flow: Flow) -> None:
        flow.send(First(key=self.key))

    @on_reply(First)
    def first(self, result: int, flow: Flow) -> None:
        self.total += result
        flow.send(Second(key=self.key))

    @on_reply(Second)
    def second(self, result: int, flow: Flow) -> None:
        self.total += result
        flow.send(Third(key=self.key))

    @on_reply(Third)
    def third(self, result: int, flow: Flow) -> None:
        self.total += result
        flow.complete()


async def measure() -> AsyncIterator[Ratio]:
    """Measure in temporary databases: the median of alternating rounds."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        async with database() as url:
            ours.append(await _processes(url))
        if PEER.exists():
            async with database() as url:
                theirs.append(await _workflows(url))
    if theirs:
        work = f"processes of 3 steps, {WRITERS} writers"
        yield as_fast(work, "DBOS, same steps in its transactions", median(ours), median(theirs), 1.0)


def application(store: SqlAlchemy) -> Application:
    """Return an application with the process and its steps."""
    app = Application("bench", write=store)
    app.process(partitions=PARTITIONS)(ThreeSteps)

    @app.command_handler(Begin)
    async def begin(command: Begin, unit: UnitOfWork) -> None:
        unit.record(Begun(key=command.key))

    async def write(key: str, step: int, unit: UnitOfWork) -> int:
        unit.record(Written(key=key, step=step))
        return step

    @app.command_handler(First)
    async def first(command: First, unit: UnitOfWork) -> int:
        return await write(command.key, 1, unit)

    @app.command_handler(Second)
    async def second(command: Second, unit: UnitOfWork) -> int:
        return await write(command.key, 2, unit)

    @app.command_handler(Third)
    async def third(command: Third, unit: UnitOfWork) -> int:
        return await write(command.key, 3, unit)

    return app


async def _processes(url: URL) -> float:
    """Start processes, wait until all are completed, and return the processes per second."""
    engine = create_async_engine(url, pool_size=WRITERS + 8)
    try:
        app = application(SqlAlchemy(engine))
        await app.create_schema()
        async with app:
            await app.dispatch(Begin(key="warm-up"))
            await app.settle(timeout=60)
            limit = asyncio.Semaphore(WRITERS)

            async def begin(number: int) -> None:
                async with limit:
                    await app.dispatch(Begin(key=f"k-{number}"))

            started = time.perf_counter()
            await asyncio.gather(*[begin(number) for number in range(PROCESSES)])
            await app.settle(timeout=300)
            speed = PROCESSES / (time.perf_counter() - started)
            if any(each.state != "completed" for each in await app.operations.processes()):
                raise RuntimeError("a process is not completed")
            return speed
    finally:
        await engine.dispose()


async def _workflows(url: URL) -> float:
    script = Path(__file__).parent / "peers" / "dbos_processes.py"
    place = [str(part) for part in (url.host, url.port or SERVER.port or 5432, url.username, url.database)]
    command = [str(PEER), str(script), *place, str(PROCESSES), str(WRITERS)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])
