"""A cached query, compared with a Redis GET and the validation of the same model."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

from redis.asyncio import Redis as Client

from benchmarks._ratio import Call, Ratio, slower, time_calls
from benchmarks.sqlite import Counted
from twofold import Application, Cache, Query, ReadModel, View, on
from twofold_memory import InMemory
from twofold_redis import RedisCache

WANTED = 1.2


class Detail(View, name="bench_detail", key="number"):
    number: int
    name: str
    lines: tuple[str, ...]


class GetDetail(Query["Detail | None"]):
    number: int


async def measure() -> AsyncIterator[Ratio]:
    """Measure a cache hit, on the query bus and in a session."""
    prefix = f"twofold-bench-{secrets.token_hex(6)}"
    detail = Detail(number=1, name="a lamp", lines=tuple(f"line {number}" for number in range(20)))
    async with Client.from_url("redis://127.0.0.1:6379") as client:
        app = Application("bench", write=InMemory(), cache=RedisCache(client, prefix=prefix))

        @app.projection("details")
        class Details:
            def __init__(self, details: ReadModel[Detail]) -> None:
                self.details = details

            @on(Counted)
            async def counted(self, event: Counted) -> None: ...

        @app.query_handler(GetDetail, cache=Cache(ttl=600, key="detail:{number}"))
        async def get_detail(query: GetDetail, details: ReadModel[Detail]) -> Detail | None:
            return detail

        await client.set(f"{prefix}:raw", detail.model_dump_json())

        async def raw(_: object) -> Detail:
            return Detail.model_validate_json(await client.get(f"{prefix}:raw") or "")

        async with app:
            query = GetDetail(number=1)
            assert await app.execute(query) == detail
            session = app.session()
            calls: dict[str, Call] = {
                "raw": (raw, None),
                "bus": (app.execute, query),
                "session": (session.execute, query),
            }
            took = await time_calls(calls, number=500)
            assert app.operations.cache_stats().misses == 1
        yield slower("cached query", "a GET and validation", took["bus"], took["raw"], WANTED)
        yield slower("cached query in a session", "a GET and validation", took["session"], took["raw"], WANTED)
        async for key in client.scan_iter(f"{prefix}:*"):
            await client.unlink(key)
