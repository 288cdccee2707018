"""Run workflows of three steps with DBOS: python dbos_processes.py HOST PORT USER DATABASE WORKFLOWS WRITERS.

It runs in the peer's own environment and prints the workflows per second, from the first start to the last result. Each step
inserts one row in the transaction that stores the result of the step, under READ COMMITTED as on Twofold's side.
"""

from __future__ import annotations

import asyncio
import sys
import time

import sqlalchemy as sa
from dbos import DBOS, AsyncSQLAlchemyDatasource

INSERT = sa.text("INSERT INTO bench_rows (key, step) VALUES (:key, :step)")


async def main(host: str, port: str, user: str, database: str, workflows: int, writers: int) -> None:
    place = f"{user}@{host}:{port}/{database}"
    pool = {"pool_size": writers, "max_overflow": 8}
    system = {"sys_db_pool_size": writers, "log_level": "ERROR", "run_admin_server": False}
    DBOS(config={"name": "bench", "system_database_url": f"postgresql+psycopg://{place}", **system})
    rows = await AsyncSQLAlchemyDatasource.create(f"postgresql+asyncpg://{place}", engine_kwargs=pool)
    async with rows.engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE bench_rows (key text, step int, PRIMARY KEY (key, step))"))

    async def write(key: str, number: int) -> int:
        await rows.sql_session().execute(INSERT, {"key": key, "step": number})
        return number

    step = rows.transaction(isolation_level="READ COMMITTED")(write)

    async def three_steps(key: str) -> int:
        total: int = await step(key, 1) + await step(key, 2) + await step(key, 3)
        return total

    workflow = DBOS.workflow()(three_steps)
    DBOS.launch()
    await workflow("warm-up")
    limit = asyncio.Semaphore(writers)

    async def run(number: int) -> None:
        async with limit:  # only the start is limited, as on Twofold's side
            handle = await DBOS.start_workflow_async(workflow, f"k-{number}")
        await handle.get_result()

    started = time.perf_counter()
    await asyncio.gather(*[run(number) for number in range(workflows)])
    print(workflows / (time.perf_counter() - started))
    DBOS.destroy()


if __name__ == "__main__":
    host, port, user, database, workflows, writers = sys.argv[1:]
    asyncio.run(main(host, port, user, database, int(workflows), int(writers)))
