"""Imports for the processes of the lab. An import of this module opens an application on each kind of database.

Opening applications and drivers imports many modules. Without this module, each forked process needs a second of CPU
for it.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash import crossing, stepping, worker, writer
from tests.crash.shop import Deposit, Stock, application
from tests.crash.stores import opened
from tests.domains.shops import shipping
from twofold.errors import TransientFailure
from twofold_memory import InMemoryTransport

JOBS = worker.work, writer.write, crossing.run, stepping.work
"""The jobs that the processes run."""

NOWHERE = "127.0.0.1:1/none"


async def _warm_up(file: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{file}") as store:
        app = application(store, work=True, lease=1.0)
        await app.create_schema()
        async with app:
            await app.dispatch(Stock())
            await app.dispatch(Deposit(by="warm-up", account="account0", amount=1))
            await app.settle()
    async with opened(f"sqlite+aiosqlite:///{file}") as store, shipping(store, InMemoryTransport(), seconds=None):
        pass
    for driver in ("postgresql+asyncpg", "mysql+asyncmy"):
        with suppress(TransientFailure):
            async with opened(f"{driver}://{NOWHERE}") as store:
                await store.log.head()


with TemporaryDirectory() as folder:
    asyncio.run(_warm_up(Path(folder) / "shop.db"))
gc.collect()
gc.freeze()  # the processes neither visit nor copy these objects
