"""Catch-up of a projection into Redis, compared with redis-py writing the same rows in pipelined transactions."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from itertools import count

from redis.asyncio import Redis as Client

from benchmarks._ratio import Ratio, as_fast, rates
from benchmarks.sqlite import Counted, encoded
from twofold import Application, ReadModel, View, on
from twofold.ports import Expected
from twofold_memory import InMemory
from twofold_redis import Redis

EVENTS, BATCH, WANTED = 20_000, 500, 8_000


class Row(View, name="bench_row", key="number"):
    number: int
    text: str


class Indexed(View, name="bench_indexed", key="number", indexes=["text"]):
    number: int
    text: str


def catching_up(write: InMemory, read: Redis, view: type[Row | Indexed]) -> Application:
    app = Application("bench", write=write, read=read)

    @app.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row], indexed: ReadModel[Indexed]) -> None:
            self.rows, self.indexed = rows, indexed

        @on(Counted)
        async def counted(self, event: Counted) -> None:
            if view is Row:
                await self.rows.put(Row(number=event.number, text=event.text))
            else:
                await self.indexed.put(Indexed(number=event.number, text=event.text))

    return app


async def measure() -> AsyncIterator[Ratio]:
    """Measure a projection that writes one row per event, with and without an index."""
    prefix, stores = f"twofold-bench-{secrets.token_hex(6)}", count()
    write, texts = InMemory(), [encoded(number) for number in range(EVENTS)]
    transaction = await write.begin()
    await transaction.log.append("bench", texts, expected=Expected.NO_STREAM)
    await transaction.commit()
    async with Client.from_url("redis://127.0.0.1:6379") as client:

        async def catch_up(view: type[Row | Indexed]) -> int:
            async with catching_up(write, Redis(client, prefix=f"{prefix}-{next(stores)}"), view) as app:
                await app.settle()
            return EVENTS

        async def catch_up_raw(indexed: bool) -> int:
            base = f"{{{prefix}-{next(stores)}}}"
            for first in range(0, EVENTS, BATCH):
                pipeline = client.pipeline(transaction=True)
                for position, event in enumerate(texts[first : first + BATCH], first):
                    fields = json.loads(event.data)
                    pipeline.hset(f"{base}:rows", fields["number"], f"{position} {event.data}")
                    if indexed:
                        pipeline.zadd(f"{base}:text", {f"{fields['text']}:{fields['number']}": 0})
                pipeline.set(f"{base}:checkpoint", first + BATCH)
                await pipeline.execute()
            return EVENTS

        try:
            found = await rates({"ours": lambda: catch_up(Row), "raw": lambda: catch_up_raw(False)})
            for row in _compared("Redis: projection catch-up", found):
                yield row
            found = await rates({"ours": lambda: catch_up(Indexed), "raw": lambda: catch_up_raw(True)})
            for row in _compared("Redis: the same, with an index", found):
                yield row
        finally:
            async for key in client.scan_iter(match=f"{{{prefix}*", count=10_000):
                await client.unlink(key)


def _compared(work: str, found: dict[str, float]) -> list[Ratio]:
    return [
        as_fast(work, "redis-py, pipelined transactions", found["ours"], found["raw"], None),
        as_fast(work, f"{WANTED:,} events a second", found["ours"], WANTED, 1.0),
    ]
