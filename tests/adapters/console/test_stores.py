"""The console on real stores, with two processes that work, and with a store that goes away and comes back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis as Client
from sqlalchemy.ext.asyncio import create_async_engine

from tests.adapters.console.conftest import Client as Console
from tests.adapters.console.conftest import client_of
from tests.adapters.console.shop import HOSTILE, Place, new_shop
from tests.servers.finding import without
from tests.servers.kind import DatabaseKind, Kind, within
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis as RedisServer
from twofold import Application
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_console import create_console
from twofold_redis import Redis
from twofold_sqlalchemy import SqlAlchemy

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    "/",
    "/topology",
    "/parked",
    "/events",
    "/path",
    "/processes",
    "/schedule",
    "/caches",
    "/workers",
    "/subscription?name=mail",
]
SERVERS: dict[str, DatabaseKind] = {"postgresql": PostgreSQL(), "mariadb": MySQL()}


@asynccontextmanager
async def opened(database: str, redis: str = "") -> AsyncIterator[Application]:
    """Give the shop on a database, and with rows on Redis if there is one."""
    async with AsyncExitStack() as stack:
        engine = create_async_engine(database)
        stack.push_async_callback(engine.dispose)
        read = Redis(await stack.enter_async_context(Client.from_url(redis)), prefix="console") if redis else None
        yield new_shop(refuses="onerror", write=SqlAlchemy(engine), read=read)


async def work(database: str, redis: str = "") -> None:
    """Run a worker process until it is killed."""
    async with opened(database, redis) as shop, shop:
        await anyio.sleep_forever()


@contextmanager
def workers(*urls: str) -> Iterator[None]:
    """Run two worker processes."""
    script = f"import asyncio; from tests.adapters.console.test_stores import work; asyncio.run(work(*{urls!r}))"
    path = os.pathsep.join(str(ROOT / each) for each in ("src", "adapters", "."))
    with ExitStack() as stack:
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, cwd=ROOT,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(process.wait, CEILING)
            stack.callback(process.kill)
        yield


@contextmanager
def stores(kind: str, folder: Path) -> Iterator[tuple[PrivateServer | None, str, str]]:
    """Give the server that is stopped, if there is one, and the URLs of a database and of a Redis."""
    with ExitStack() as stack:
        if kind in SERVERS:
            server = private(SERVERS[kind], stack)
            SERVERS[kind].create(server.url, "shop")
            yield server, within(server.url, "shop"), ""
        elif kind == "redis":
            server = private(RedisServer(), stack)
            yield server, f"sqlite+aiosqlite:///{folder / 'shop.db'}", server.url
        else:
            yield None, f"sqlite+aiosqlite:///{folder / 'shop.db'}", ""


def private(kind: Kind, stack: ExitStack) -> PrivateServer:
    """Start a private server until the stack closes; skip the test if it is not installed."""
    if not kind.installed():
        raise without(kind, {})
    server = kind.private()
    stack.callback(server.remove)
    return server


async def seed(shop: Application) -> None:
    """Place an order that is handled, and one that is parked with a hostile payload."""
    await shop.dispatch(Place(order_id="1"))
    await shop.dispatch(Place(order_id="2", product=HOSTILE))


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the drivers need."""
    return "asyncio"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb", "redis"])
async def test_every_page_on_a_real_store(kind: str, tmp_path: Path) -> None:
    """Pages show what two other processes do, say that a store is away, and return with the store."""
    with stores(kind, tmp_path) as (server, *urls), in_time():
        async with opened(*urls) as shop:
            shop.work = False
            await shop.create_schema()
            async with shop:
                with workers(*urls):
                    await seed(shop)
                    await shop.settle(timeout=CEILING)
                    console = client_of(create_console(shop))
                    await _shows_everything(console, shop)
                    if server is not None:
                        server.stop()
                        await _says_that_a_store_is_away(console)
                        server.start()
                        await until(lambda: _answers(console))
                        await _shows_everything(console, shop)
                await console.aclose()


async def _shows_everything(console: Console, shop: Application) -> None:
    for path in PAGES:
        html = await console.page(path)
        assert "Traceback" not in html
        assert HOSTILE not in html
    (parked,) = await shop.operations.parked("mail")
    assert "onerror" in await console.page(f"/parked/event?subscription=mail&key={parked.key}&id={parked.event.id}")

    async def has_workers() -> bool:
        return len(set(re.findall(r"process (\d+)", await console.page("/workers")))) >= 1

    await until(has_workers)


async def _says_that_a_store_is_away(console: Console) -> None:
    async def away() -> bool:
        return (await console.get("/workers")).status_code == 503

    await until(away)
    for path in PAGES:
        response = await console.get(path)
        assert response.status_code == (200 if path in ("/", "/topology") else 503), path
        assert "store does not answer" in response.text or "does not answer" in response.text, path
        assert "Traceback" not in response.text


async def _answers(console: Console) -> bool:
    return (await console.get("/workers")).status_code == 200


async def test_a_store_that_hangs_does_not_hang_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose connections stay open and never answer is reported after some seconds, and the pages recover."""
    monkeypatch.setattr("twofold_console._create.LONGEST_WAIT", 1.0)
    with stores("postgresql", tmp_path) as (_, url, _), in_time():
        proxy = Proxy(url)
        async with proxy.running(), opened(proxy.url) as shop:
            shop.work = False
            await shop.create_schema()
            async with shop:
                console = client_of(create_console(shop))
                await console.page("/events")
                proxy.stall()
                response = await console.get("/events")
                assert (response.status_code, "does not answer" in response.text) == (503, True)
                proxy.resume()
                await until(lambda: _answers(console))
                await console.aclose()
