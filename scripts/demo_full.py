"""Run the orders example as three services on PostgreSQL, RabbitMQ and Redis, in the folder `demo-full`.

The data stays on the servers until the next run, or until a run with `--delete` removes it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiormq
from redis.asyncio import Redis
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

ROOT = Path(__file__).parents[1].resolve()
FOLDER = ROOT / "demo-full"
SAMPLE = os.path.relpath(ROOT / "examples" / "orders" / "sample.csv", FOLDER)
PYTHON = os.path.relpath(sys.executable, FOLDER)
NAME = FOLDER / "name"
"""The file with the name of the last run."""

DEADLINE = 120.0
"""The time in which all services must be up to date, in seconds."""

POSTGRESQL = os.environ.get("TWOFOLD_POSTGRESQL_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TWOFOLD_REDIS_URL", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("TWOFOLD_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")


def missing() -> list[str]:
    """Return the names of the servers that do not answer."""
    found = []
    for name, url in (("PostgreSQL", POSTGRESQL), ("Redis", REDIS), ("RabbitMQ", RABBITMQ)):
        where = make_url(url)
        try:
            socket.create_connection((where.host or "127.0.0.1", where.port or 0), timeout=5).close()
        except OSError:
            found.append(f"{name} at {where.host}:{where.port}")
    return found


async def administer(statement: str) -> None:
    engine = create_async_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(statement)
    await engine.dispose()


async def new_database(name: str) -> str:
    await administer(f'CREATE DATABASE "{name}"')
    return make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)


async def delete_data(name: str) -> None:
    """Remove the data of a run from the servers."""
    await administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    async with Redis.from_url(REDIS) as redis:
        async for key in redis.scan_iter(f"*{name}*", count=10_000):
            await redis.unlink(key)
    served, consumers = f"{name}:requests.orders", (f"{name}.reports.orders", f"{name}.shipping.orders")
    async with aiormq.connect(RABBITMQ) as connection:
        channel = await connection.channel()
        for queue in (served, f"{served}.0", *(f"{each}.{part}" for each in consumers for part in (0, 1, "parked"))):
            await channel.queue_delete(queue)
        for exchange in (name, served, f"{name}:requests", *consumers):
            await channel.exchange_delete(exchange)


def show(words: Sequence[str]) -> list[str]:
    command = [PYTHON, "-m", *words]
    print(f"$ {shlex.join(command)}", flush=True)
    return command


@contextmanager
def service(*words: str) -> Iterator[None]:
    """Run a service until the end of the block."""
    with (FOLDER / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(show(words), cwd=FOLDER, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def run(*words: str) -> str:
    return subprocess.run(show(words), cwd=FOLDER, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_for(text: str, *words: str) -> None:
    """Run a command until its output contains a text."""
    deadline = time.monotonic() + DEADLINE
    command = [PYTHON, "-m", *words]
    while text not in subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.PIPE, text=True).stdout:
        if time.monotonic() > deadline:
            sys.exit(f"{words[0]} was not up to date within {DEADLINE:.0f} s. See {FOLDER}/*.log")
        time.sleep(0.5)


def main(*arguments: str) -> int:
    if unknown := set(arguments) - {"--delete"}:
        print(f"cannot run the demo with {', '.join(sorted(unknown))}: the only option is --delete.", file=sys.stderr)
        return 2
    if away := missing():
        print(
            f"These servers do not answer: {', '.join(away)}. Start them: make services ARGS='postgresql redis rabbitmq'"
        )
        return 1
    if NAME.exists():
        asyncio.run(delete_data(NAME.read_text("utf-8")))
    shutil.rmtree(FOLDER, ignore_errors=True)
    if "--delete" in arguments:
        return 0
    FOLDER.mkdir()
    name = f"twofold-demo-{secrets.token_hex(3)}"
    NAME.write_text(name, "utf-8")
    write, prefix = asyncio.run(new_database(name)), f"?prefix={name}"
    read, transport = f"{REDIS}{prefix}", f"{RABBITMQ}{prefix}"
    orders = ("--write", write, "--read", read)
    shipping, reports = ("--transport", transport), ("--read", f"{read}-reports", "--transport", transport)
    print(f"On the servers, all data has the prefix {name}. Files are in {FOLDER}.\n\nThree services:")
    with ExitStack() as services:
        services.enter_context(service("reports", "work", *reports))
        services.enter_context(service("shipping", "work", *shipping))
        wait_for("shipped: 0", "shipping", "count", *shipping)
        wait_for("OrderDetail", "reports", "figures", *reports)
        services.enter_context(service("orders", "work", *orders, "--transport", transport))
        wait_for("OrderDetail", "orders", "figures", *orders)
        print("\nCommands: orders are placed and paid, a second service ships them, and a third service reports them:")
        print(run("orders", "import", SAMPLE, *orders, "--pay-rate", "0.6"))
        wait_for("to be shipped: 0", "shipping", "count", *shipping)
        print(run("shipping", "count", *shipping))
        print("An order, from Redis:")
        print(run("orders", "show", "100175", *orders))
        print("The same figures behind PostgreSQL and behind RabbitMQ:")
        ours = run("orders", "figures", *orders)
        wait_for(ours, "reports", "figures", *reports)
        print(ours, run("reports", "figures", *reports), sep="\n")
    print("The data stays on the servers until the next run. To remove it: make demo-full ARGS=--delete")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
