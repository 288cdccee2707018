"""Workers of processes (sagas) are killed: no command is repeated, and none is lost."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from tests.crash.lab import Member, with_logs
from tests.crash.stores import opened
from twofold import Application
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.fulfilment import (
    NAME,
    Handlers,
    Order,
    Pay,
    Reject,
    effects,
    fulfilling,
    fulfilment,
)
from twofold.testing.conformance._tools.in_time import CEILING, until

LEASE = 1.0
ORDERS = 40
KILLS = 5


def application(store: WriteStore, *, work: bool) -> Application:
    """Return the application on a store."""
    app = Application("fulfilling", write=store, work=work, lease=LEASE)
    app.include(fulfilling(Handlers(), fulfilment(), partitions=2))
    return app


async def work(url: str) -> None:
    """Run the process until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with opened(url) as store, application(store, work=True):
        await stopping.wait()


@asynccontextmanager
async def workers(url: str, folder: Path) -> AsyncIterator[list[Member]]:
    """Run two workers; kill them at the end."""
    members = [Member(f"worker{number}", folder / f"worker{number}.log", work, url) for number in range(2)]
    try:
        yield members
    finally:
        for member in members:
            member.kill()


@pytest.mark.parametrize(
    "url",
    ["postgresql", *(pytest.param(kind, marks=pytest.mark.everywhere) for kind in ("sqlite", "mariadb"))],
    indirect=True,
)
async def test_workers_are_killed_at_random(url: str, tmp_path: Path, round_number: int) -> None:
    """Workers are killed in the middle of steps and of compensations. Each command takes effect once, in order."""
    random = Random(round_number)
    async with opened(url) as store:
        await application(store, work=False).create_schema()
        async with workers(url, tmp_path) as members, application(store, work=False) as app:
            await until(lambda: _has_started(store), with_logs("a worker was to start", *members))
            for kill in range(KILLS):
                for number in range(kill, ORDERS, KILLS):
                    await app.dispatch(Order(order_id=f"o{number}"))
                    await asyncio.sleep(random.uniform(0, 0.03))
                for number in range(kill, ORDERS, KILLS):
                    await app.dispatch(Pay(order_id=f"o{number}") if number % 2 else Reject(order_id=f"o{number}"))
                place = random.randrange(len(members))
                members[place].kill()
                members[place] = Member(f"after{kill}", tmp_path / f"after{kill}.log", work, url)

            async def all_ended() -> bool:
                found = await app.operations.processes(limit=1_000)
                return Counter(each.state in ("completed", "failed") for each in found) == {True: ORDERS}

            await until(all_ended, with_logs("all processes were to end", *members), seconds=CEILING, pause=0.1)
            await app.settle(timeout=CEILING)  # a completed process may have commands that are still to be executed
        for number in range(ORDERS):
            found, state = await effects(store, f"o{number}"), await store.processes.get(NAME, f"o{number}")
            assert state is not None
            undone = {"charge": ["refund"], "reserve": ["release"]}
            if state.state == "completed":
                assert found in (["reserve"], ["reserve", "charge"])
            else:
                done = [each for each in found if each in undone]
                assert done in ([], ["reserve"], ["reserve", "charge"])
                assert found == [*done, *(undo for each in reversed(done) for undo in undone[each])]


async def _has_started(store: WriteStore) -> bool:
    return any(each.owner is not None for each in await store.subscriptions.partitions(NAME))
