"""A lab: the shop with its servers, a web process, a worker, and a Prometheus that scrapes both."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.alerts import prometheus, shop
from tests.alerts.faults import Fault, Page
from tests.alerts.rules import ROOT
from tests.alerts.streams import Streams
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import PrivateServer, free_port
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis
from tests.servers.waiting import wait_until
from twofold import Application
from twofold.testing.conformance._tools.dial import WrongClock
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemory
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
        consoles: the ports at which they serve the console.
        folder: has the logs of the processes.
    """

    environment: dict[str, str]
    database: PrivateServer
    redis: PrivateServer
    broker: PrivateServer
    prometheus: PrivateServer
    ports: dict[str, int]
    consoles: dict[str, int]
    folder: Path
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start the web process, or a worker by the command of the runbook."""
        command = ["tests.alerts.shop"] if name == "web" else ["twofold_cli", "worker"]
        ports = {"LAB_METRICS_PORT": str(self.ports[name]), "LAB_CONSOLE_PORT": str(self.consoles[name])}
        environment = self.environment | ports
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

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop a process by a signal until the end of the block, as a machine does that swaps."""
        process = self._processes[name]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

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

    def carry(self, work: Callable[[Application], Awaitable[object]], ahead: timedelta = timedelta(0)) -> None:
        """Do something with the carrier, an application with an event log of its own that is lost afterwards."""

        async def run() -> None:
            app = Application("carrier", write=InMemory(), transport=RabbitMQ(self.broker.url), clock=WrongClock(ahead))
            app.command_handler(shop.Deliver)(shop.deliver)
            app.relay(shop.Delivered)
            async with app:
                await work(app)
                await app.settle(timeout=CEILING)

        anyio.run(run)

    def broker_work(self, work: Callable[[RabbitMQ], Awaitable[object]]) -> None:
        """Do something with the broker."""

        async def run() -> None:
            async with RabbitMQ(self.broker.url) as broker:
                await work(broker)

        anyio.run(run)

    @contextmanager
    def streams(self) -> Iterator[Streams]:
        """Relay events to Redis Streams inside the block, for another application that consumes them."""
        streams = Streams(self.redis)
        streams.declare()
        try:
            with self.fault("streams"):
                self.restart("worker")
                self.restart("web")
                yield streams
        finally:
            self.restart("worker")
            self.restart("web")

    def sql(self, *statements: str) -> None:
        """Run statements on the database, as an accident or another program does."""

        async def run() -> None:
            engine = create_async_engine(self.database.url)
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
            await engine.dispose()

        anyio.run(run)

    def lose_events(self, after: int) -> None:
        """Delete the last events, as a restore does that brings back the event log and no other table."""
        self.sql(
            "ALTER TABLE twofold_events DISABLE TRIGGER USER",
            f"DELETE FROM twofold_events WHERE position > {after}",
            "ALTER TABLE twofold_events ENABLE TRIGGER USER",
        )

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

    def shows(self, faults: Sequence[Fault]) -> None:
        """Return when metrics, health and console show these faults, each as its row says."""
        for each in faults:
            wait_until(lambda: self._measures(each), f"the metric was to show: {each.cause}")  # noqa: B023
            wait_until(lambda: self._reports(each.health), f"health was to show: {each.cause}")  # noqa: B023
            wait_until(lambda: self._displays(each.page), f"the console was to show: {each.cause}", pause=0.2)  # noqa: B023
            logger.info("visible: %s", each.cause)

    def _measures(self, fault: Fault) -> bool:
        return (prometheus.value(self.prometheus, f"max({fault.metric})") or 0) > 0

    def _reports(self, found: str) -> bool:
        """Return whether a process reports a problem; the metric of problems has the result of `app.health()`."""
        if found.startswith("status."):
            statuses = json.loads(self.twofold("status", "--json")[1])
            return any(each[found.removeprefix("status.")] for each in statuses)
        problem = f'max(twofold_health_problems{{twofold_problem_code="{found}"}})'
        return not found or (prometheus.value(self.prometheus, problem) or 0) > 0

    def _displays(self, page: Page | None) -> bool:
        """Return whether the console of a process shows a text; without a page, whether a process does not answer."""
        texts = [self._page(port, "/" if page is None else page.path) for port in self.consoles.values()]
        return None in texts if page is None else any(page.says in text for text in texts if text is not None)

    @staticmethod
    def _page(port: int, path: str) -> str | None:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
                return unescape(reply.read().decode())
        except HTTPError as error:
            return unescape(error.read().decode())
        except OSError:
            return None

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
        ports, consoles = [{"worker": free_port(), "web": free_port()} for _ in range(2)]
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
        lab = Lab(os.environ | settings, database, redis, broker, scraping, ports, consoles, folder)
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
