"""Connections that break, stall and are slow."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

import pytest

from tests.crash.lab import SERVERS, Lab, with_logs
from tests.crash.proxy import DatabaseProxy
from tests.crash.stores import opened
from tests.servers.kind import administer
from twofold.errors import TransientFailure
from twofold.testing.conformance._tools.in_time import until

DISTURBANCES = 9

each_server = pytest.mark.parametrize("url", SERVERS, indirect=True)


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[DatabaseProxy]:
    """Give a way to the database that can be disturbed."""
    proxy = DatabaseProxy(url)
    async with proxy.running():
        yield proxy


@each_server
async def test_connections_that_broke_while_they_were_idle(lab: Lab, proxy: DatabaseProxy) -> None:
    """After connections broke in the pool, at most the first use fails, with a transient error."""
    async with opened(proxy.url) as store:
        for _ in range(10):
            transactions = [await store.begin() for _ in range(3)]
            for transaction in transactions:
                await transaction.rollback()
            proxy.cut()
            for _ in transactions:
                with suppress(TransientFailure):
                    await (await store.begin()).rollback()
            await (await store.begin()).rollback()


@each_server
async def test_broken_and_slow_connections(lab: Lab, proxy: DatabaseProxy, round_number: int) -> None:
    """Connections break at any moment, commits and their answers are lost: no process ends, and nothing happens twice."""
    random = Random(round_number)
    for _ in range(2):
        lab.writer(round_number, url=proxy.url)
        lab.worker(url=proxy.url)
    for number in range(DISTURBANCES):
        await lab.more(random.randint(1, 10))
        proxy.delay = random.choice((0, 0, 0.01))
        match number % 3:
            case 0:
                proxy.cut()
            case 1:
                await _lost(proxy, "request")
            case _:
                await _lost(proxy, "answer")
    proxy.delay = 0
    await lab.finish()


@each_server
async def test_a_worker_whose_network_stalls_is_replaced(lab: Lab, proxy: DatabaseProxy, round_number: int) -> None:
    """A worker that is cut off loses its partitions to others; when it is back, its writes are refused."""
    lab.end_idle()
    lab.writer(round_number)
    lab.worker(url=proxy.url)
    lab.worker()
    await lab.held_by(2)
    await lab.more(5)
    proxy.stall()
    await lab.held_by(1)
    await lab.more(10)
    await lab.caught_up()
    proxy.resume()
    await lab.held_by(2)
    await lab.finish()


async def _lost(proxy: DatabaseProxy, part: str) -> None:
    before = proxy.lost
    proxy.lose("request" if part == "request" else "answer")
    await until(lambda: proxy.lost > before, f"the {part} of a commit was to be lost")


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_notifications_arrive_again_after_the_connection_broke(lab: Lab, proxy: DatabaseProxy) -> None:
    """A worker whose connection for notifications breaks, and cannot be restored for a while, listens again later."""
    lab.worker(url=proxy.url)
    listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"

    async def listeners() -> int:
        return int((await asyncio.to_thread(administer, lab.url, [listening]))[0])

    async def none_listens() -> bool:
        return await listeners() == 0

    async def one_listens() -> bool:
        return await listeners() == 1

    await until(one_listens, with_logs("the worker was to listen", *lab.members))
    proxy.refuse()
    await until(none_listens, with_logs("the worker's connection was to break", *lab.members))
    await until(lambda: proxy.refused > 5, with_logs("the worker was to try again", *lab.members))
    proxy.resume()
    await until(one_listens, with_logs("the worker was to listen again", *lab.members))
    lab.members[0].send(signal.SIGTERM)
    await lab.members[0].stopped()
