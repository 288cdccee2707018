"""The time that a session on PostgreSQL waits for its own write: without other load, and at half of the maximum rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count
from random import Random
from statistics import quantiles

from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._ratio import Ratio, slower
from benchmarks.postgresql import WRITERS, Count, GetRow, application, database, timed
from twofold import Application
from twofold_sqlalchemy import SqlAlchemy

ALONE, WARM, FULL, HALF = 300, 50, 3.0, 6.0
ASKS = 10
"""A query in the same session follows each n-th command."""


async def measure() -> AsyncIterator[Ratio]:
    """Measure in a temporary database. Writers, projection and queries share one process."""
    async with database() as url:
        engine = create_async_engine(url, pool_size=WRITERS + 4)
        try:
            app = application(SqlAlchemy(engine))
            await app.create_schema()
            async with app:
                for row in await _rows(app):
                    yield row
        finally:
            await engine.dispose()


async def _rows(app: Application) -> list[Ratio]:
    numbers = count()
    alone = [await _waited(app, next(numbers)) for _ in range(WARM + ALONE)][WARM:]
    most = await _saturated(app, numbers)
    await app.settle()
    half = await _paced(app, numbers, most / 2)
    found = {"alone": alone, f"at {most / 2:,.0f} commands/s, half of the most": half}
    rows: list[Ratio] = []
    for name, seconds in found.items():
        cuts = quantiles(seconds, n=100)
        rows.append(slower(f"commit to read model, {name}, p50", "10 ms", cuts[49], 0.010, 1.0))
        rows.append(slower(f"commit to read model, {name}, p99", "50 ms", cuts[98], 0.050, 1.0))
    return rows


async def _waited(app: Application, number: int) -> float:
    """Write an event and return the duration of a query for it, in seconds."""
    async with app.session() as session:
        await session.dispatch(Count(number=number))
        return await timed(session.execute(GetRow(number=number)))


async def _saturated(app: Application, numbers: count[int]) -> float:
    """Return the maximum number of commands per second while the projection runs."""

    async def writer() -> int:
        done = 0
        while time.perf_counter() < end:
            await app.dispatch(Count(number=next(numbers)))
            done += 1
        return done

    end = time.perf_counter() + FULL
    return sum(await asyncio.gather(*[writer() for _ in range(WRITERS)])) / FULL


async def _paced(app: Application, numbers: count[int], rate: float) -> list[float]:
    """Dispatch commands at a rate, and return the waiting times of the sessions that queried, in seconds."""
    waits: list[float] = []
    pause = WRITERS / rate

    async def writer(random: Random) -> None:
        at = time.perf_counter() + random.random() * pause
        while at < end:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            at += pause
            if random.random() < 1 / ASKS:
                waits.append(await _waited(app, next(numbers)))
            else:
                await app.dispatch(Count(number=next(numbers)))

    end = time.perf_counter() + HALF
    await asyncio.gather(*[writer(Random(number)) for number in range(WRITERS)])
    return waits
