"""A lab: the shop with its servers, a web process, a worker, and a Prometheus that scrapes both."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.alerts import prometheus, shop
from tests.alerts.rules import ROOT
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer, free_port
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis
from tests.servers.waiting import wait_until
from twofold import Application
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_rabbitmq import RabbitMQ

logger = logging.getLogger("twofold.tests.alerts")


@dataclass
class Lab:
    """The running lab.

    Attributes:
        environment: the environment of its processes.
        database: the server of the stores.
        redis: the server of the cache and the notifier.
        broker: the broker.
        prometheus: the Prometheus.
        ports: the ports at which the worker and the web process serve their metrics.
        folder: has the logs of the processes.
    """

    environment: dict[str, str]
    database: PrivateServer
    redis: PrivateServer
    broker: PrivateServer
    prometheus: PrivateServer
    ports: dict[str, int]
    folder: Path
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start the web process, or a worker by the command of the runbook."""
        command = ["tests.alerts.shop"] if name == "web" else ["twofold_cli", "worker"]
        environment = self.environment | {"LAB_METRICS_PORT": str(self.ports[name])}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """Kill a process."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(CEILING)

    def close(self) -> None:
        """Kill all processes."""
        for name in list(self._processes):
            self.kill(name)

    def twofold(self, *arguments: str) -> tuple[int, str]:
        """Run the command line, and return the exit code with the output."""
        done = subprocess.run(
            [sys.executable, "-m", "twofold_cli", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=CEILING,
            check=False,
        )
        return done.returncode, done.stdout

    def write(self, work: Callable[[Application], Awaitable[object]], ahead: timedelta = timedelta(0)) -> None:
        """Do something with the shop in this process, which runs no subscription."""

        async def run() -> None:
            async with shop.opened(ahead) as app:
                app.work = False
                async with app:
                    await work(app)

        anyio.run(run)

    def sql(self, *statements: str) -> None:
        """Run statements on the database, as an accident or another program does."""

        async def run() -> None:
            engine = create_async_engine(self.database.url)
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
            await engine.dispose()

        anyio.run(run)

    def broker_work(self, work: Callable[[RabbitMQ], Awaitable[object]]) -> None:
        """Do something with the broker."""

        async def run() -> None:
            broker = RabbitMQ(self.broker.url)
            await broker.open()
            await work(broker)
            await broker.close()

        anyio.run(run)

    def restart(self, name: str) -> None:
        """Kill a process, and start it."""
        self.kill(name)
        self.start(name)

    @contextmanager
    def fault(self, name: str, content: str = "") -> Iterator[None]:
        """Let a handler fail or hang inside the block."""
        shop.fault(name).write_text(content)
        try:
            yield
        finally:
            shop.fault(name).unlink()

    @contextmanager
    def away(self, server: PrivateServer) -> Iterator[None]:
        """Stop a server until the end of the block."""
        server.stop()
        try:
            yield
        finally:
            server.start()

    def fires(self, *alerts: str) -> None:
        """Return when all these alerts fire, each with a link to its section of the runbook."""
        began = time.monotonic()
        wait_until(lambda: set(alerts) <= self.firing(), f"{alerts} were to fire")
        for each in prometheus.firing(self.prometheus):
            name = each["labels"]["alertname"]
            assert each["annotations"]["runbook_url"] == f"{prometheus.DOCS}how-to/alerts.html#{name.lower()}"
        logger.info("%s fired after %.1f s; all: %s", ", ".join(alerts), time.monotonic() - began, self.firing())

    def ready(self) -> None:
        """Return when both processes are healthy, and no alert fires."""
        healthy = "sum(twofold_health_healthy)"
        wait_until(lambda: prometheus.value(self.prometheus, healthy) == len(self.ports), "the shop was to be healthy")
        self.clears("start of a test")

    def clears(self, repair: str) -> None:
        """Return when no alert fires, after a repair."""
        began = time.monotonic()
        wait_until(lambda: not self.firing(), "all alerts were to clear")
        logger.info("cleared %.1f s after: %s", time.monotonic() - began, repair)

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in prometheus.firing(self.prometheus)}


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Start the servers, create the tables, and start both processes and Prometheus."""
    with ExitStack() as stack:
        servers = [each.private() for each in (PostgreSQL(), Redis(), RabbitMQServer())]
        for server in servers:
            stack.callback(server.remove)
        database, redis, broker = servers
        ports = {"worker": free_port(), "web": free_port()}
        scraping = prometheus.started(list(ports.values()))
        stack.callback(scraping.remove)
        settings = {
            "LAB_DATABASE": database.url,
            "LAB_REDIS": redis.url,
            "LAB_BROKER": broker.url,
            "LAB_FAULTS": str(folder),
            "TWOFOLD_APP": "tests.alerts.shop:opened",
            "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in ("src", "adapters", ".")),
        }
        lab = Lab(os.environ | settings, database, redis, broker, scraping, ports, folder)
        stack.callback(lab.close)
        with _environment(settings):
            assert lab.twofold("schema", "create")[0] == 0
            for name in ports:
                lab.start(name)
            yield lab


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment in the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
