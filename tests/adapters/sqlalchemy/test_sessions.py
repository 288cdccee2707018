"""Sessions and the pool of connections."""

from __future__ import annotations

from pathlib import Path

import anyio
from sqlalchemy.ext.asyncio import create_async_engine

from twofold.testing.conformance._domain.bank import GetBalance, Open, application
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_sqlalchemy import SqlAlchemy


async def test_a_waiting_query_holds_no_connection(database: Path) -> None:
    """Commands use the only connection of a pool while queries wait for a projection that does not run."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}", pool_size=1, max_overflow=0, pool_timeout=CEILING)
    app = await application(SqlAlchemy(engine), work=False)
    async with app:
        session = app.session()
        await session.dispatch(Open(account_id="a"))
        token = session.token

        async def ask() -> None:
            await app.session(token).execute(GetBalance(account_id="a"), timeout=10 * CEILING)

        async with anyio.create_task_group() as waiting:
            for _ in range(5):
                waiting.start_soon(ask)
            for number in range(20):
                await session.dispatch(Open(account_id=f"b{number}"))
            waiting.cancel_scope.cancel()
    await engine.dispose()
