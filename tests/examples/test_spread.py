"""The orders spread out: PostgreSQL, RabbitMQ and Redis, and services that know each other by events."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from redis.asyncio import Redis as RedisClient

from orders.composition import running as orders_running
from orders.figures import GetFigures
from orders.importing import import_orders
from reports.__main__ import running as reports_running
from shipping.service import ListShipments
from shipping.service import running as shipping_running
from tests.brokers import delete
from tests.examples.test_import import EXCERPT, ROOT, WHOLE, needs_real
from twofold.testing.conformance._tools.in_time import CEILING, until

SAMPLE = ROOT / "examples" / "orders" / "sample.csv"
ROWS = 500
"""The number of its rows that are imported. `--everywhere` imports all of them."""

KILLS = 5
"""The number of times that a worker is killed during an import."""


class Places(NamedTuple):
    """Where everything is."""

    write: str
    read: str
    reports: str
    transport: str
    folder: Path

    @property
    def log(self) -> str:
        """The database of the reports."""
        return f"sqlite+aiosqlite:///{self.folder / 'reports.db'}"

    @property
    def depot(self) -> str:
        """The database of the shipping service."""
        return f"sqlite+aiosqlite:///{self.folder / 'shipping.db'}"

    def received(self) -> int:
        """Return how many events the reports have received."""
        with closing(sqlite3.connect(self.folder / "reports.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM twofold_events").fetchone()[0])


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers know no other loop."""
    return "asyncio"


@pytest.fixture
async def places(
    postgresql_url: str, redis_url: str, rabbitmq_url: str, new_prefix: Callable[[], str], tmp_path: Path
) -> AsyncIterator[Places]:
    """Give places on shared servers that no other test uses, and leave nothing there."""
    name = new_prefix()
    read, transport = f"{redis_url}?prefix={name}", f"{rabbitmq_url}?prefix={name}"
    yield Places(postgresql_url, read, f"{read}-reports", transport, tmp_path)
    await clean(redis_url, name)
    consumers = [f"{name}.reports.orders", f"{name}.shipping.orders"]
    queues = [f"{consumer}.{part}" for consumer in consumers for part in ("0", "1", "parked")]
    served = f"{name}:requests.orders"
    exchanges = [name, *consumers, f"{name}:requests", served]
    await delete(rabbitmq_url, [*queues, served, f"{served}.0"], exchanges)


async def clean(redis_url: str, name: str) -> None:
    """Remove what has this name in its keys."""
    async with RedisClient.from_url(redis_url) as client:
        async for key in client.scan_iter(f"*{name}*", count=10_000):
            await client.unlink(key)


def sample(everywhere: bool) -> io.BytesIO:
    """Return the rows of the sample that are imported."""
    with SAMPLE.open("rb") as source:
        return io.BytesIO(b"".join(islice(source, None if everywhere else 1 + ROWS)))


class Worker:
    """A process that works, and can be killed and started again."""

    def __init__(self, *words: str, folder: Path) -> None:
        self._command = [sys.executable, "-m", *words]
        self._folder = folder
        self._process = self._start()

    def kill(self) -> None:
        """Kill the process immediately, whatever it does, and start it again."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = self._start()

    def stop(self) -> None:
        """Let it end what it is in."""
        self._process.terminate()
        try:
            self._process.wait(CEILING)
        finally:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / f"{self._command[2]}.log").open("ab") as log:
            return subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log, env=os.environ)


@contextmanager
def at_work(places: Places, *services: str) -> Iterator[list[Worker]]:
    """Run a worker of each of these services."""
    words = {
        "orders": ("--write", places.write, "--read", places.read, "--transport", places.transport),
        "reports": ("--store", places.log, "--read", places.reports, "--transport", places.transport),
        "shipping": ("--store", places.depot, "--transport", places.transport),
    }
    with ExitStack() as stack:
        workers: list[Worker] = []
        for name in services:
            workers.append(Worker(name, "work", *words[name], folder=places.folder))
            stack.callback(workers[-1].stop)
        yield workers


async def set_up(places: Places) -> None:
    """Let every service declare what it wants to receive, before anything happens."""
    async with reports_running(places.log, places.reports, places.transport):
        pass
    async with shipping_running(places.depot, places.transport):
        pass
    async with orders_running(places.write, places.read, transport=places.transport):
        pass


@needs_real
async def test_the_real_orders_arrive_through_the_broker(places: Places, everywhere: bool) -> None:
    """PostgreSQL, RabbitMQ, Redis, and workers killed five times on the way: the figures are exactly those of the file."""
    real = WHOLE if everywhere else EXCERPT
    file = str(real.written(places.folder))
    await set_up(places)
    with at_work(places, "orders", "reports") as workers:
        command = [sys.executable, "-m", "orders", "import", file, "--write", places.write, "--read", places.read]
        importing = subprocess.Popen(command, cwd=places.folder, stdout=subprocess.DEVNULL)
        for number in range(1, KILLS + 1):
            wanted = real.figures.orders * number // (KILLS + 1)
            await until(lambda: places.received() >= wanted, f"{wanted} orders were to arrive", pause=0.05)  # noqa: B023 -- awaited immediately
            workers[number % 2].kill()
        assert await anyio.to_thread.run_sync(importing.wait, 300) == 0
    async with orders_running(places.write, places.read, transport=places.transport) as orders:
        await orders.settle(timeout=3 * CEILING)
        assert set((await orders.execute(GetFigures())).values()) == {real.figures}
    async with reports_running(places.log, places.reports, places.transport) as reports:
        await reports.settle(timeout=3 * CEILING)
        assert set((await reports.execute(GetFigures())).values()) == {real.figures}
        assert (await reports.health()).healthy


async def test_the_orders_arrive_over_redis_streams(
    mysql_url: str, redis_url: str, new_prefix: Callable[[], str], tmp_path: Path, everywhere: bool
) -> None:
    """MariaDB and Redis alone do as well: the sample is the same in the read models of both services."""
    name = new_prefix()
    read = f"{redis_url}?prefix={name}"
    places = Places(mysql_url, read, f"{read}-reports", f"{read}-streams", tmp_path)
    try:
        async with reports_running(places.log, places.reports, places.transport):
            pass
        with at_work(places, "orders", "reports"):
            async with orders_running(places.write, places.read, transport=places.transport) as orders:
                done = await import_orders(orders, sample(everywhere), tmp_path / "rejected.csv")
                await orders.settle(timeout=CEILING)
                ours = await orders.execute(GetFigures())
            async with reports_running(places.log, places.reports, places.transport) as reports:
                await reports.settle(timeout=CEILING)
                assert await reports.execute(GetFigures()) == ours
        assert {each.orders for each in ours.values()} == {done["orders created"]}
    finally:
        await clean(redis_url, name)


async def test_a_paid_order_is_shipped_once(places: Places, everywhere: bool) -> None:
    """The shipping service receives payments, ships by a remote command, and receives its event.

    It is killed in between.
    """
    await set_up(places)
    with at_work(places, "shipping") as (shipping,):
        async with orders_running(places.write, places.read, transport=places.transport) as orders:
            done = await import_orders(orders, sample(everywhere), places.folder / "rejected.csv", pay_rate=0.5)
            shipping.kill()
            await orders.settle(timeout=CEILING)
            while (await shipped(places)) < done["orders paid"]:
                await orders.settle(timeout=CEILING)


async def shipped(places: Places) -> int:
    """Return how many orders the shipping service knows to be shipped."""
    async with shipping_running(places.depot, places.transport) as shipping:
        await shipping.settle(timeout=CEILING)
        return len((await shipping.execute(ListShipments(state="shipped"))).items)
