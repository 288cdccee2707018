"""The application of the lab: a shop whose handlers fail, hang or wait as files in a folder say.

`python -m tests.alerts.shop` runs a process without subscriptions. `twofold worker` runs `tests.alerts.shop:opened`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import anyio
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from twofold import (
    Application,
    Cache,
    Command,
    Event,
    Flow,
    Process,
    Query,
    ReadModel,
    RemoteQueryBus,
    Retry,
    Router,
    Telemetry,
    Thresholds,
    UnitOfWork,
    View,
    on,
    on_reply,
    starts,
)
from twofold.errors import ApplicationNotRunning, TwofoldError, UnreadableRow
from twofold.testing.conformance._tools.dial import WrongClock
from twofold_console import serve
from twofold_rabbitmq import RabbitMQ
from twofold_redis import RedisCache, RedisNotifier, RedisStreams
from twofold_sqlalchemy import SqlAlchemy

LEASE = 1.0
"""Seconds after which a killed worker does not count any more."""


class Placed(Event, name="lab.placed"):
    order_id: str


class Counted(Event, name="lab.counted"):
    number: int


class Delivered(Event, name="lab.delivered"):
    order_id: str


class OrderRow(View, name="lab_order_row", key="order_id"):
    order_id: str
    state: Literal["placed", "sent"] = "placed"


class Place(Command[None], name="lab.place"):
    order_id: str


class Count(Command[None], name="lab.count"):
    events: int


class Deliver(Command[None], name="lab.deliver"):
    order_id: str


class Remind(Command[None], name="lab.remind"):
    order_id: str


class Withdraw(Command[None], name="lab.withdraw"):
    order_id: str


class Reserve(Command[None], name="lab.reserve"):
    order_id: str


class Release(Command[None], name="lab.release"):
    order_id: str


class GetRow(Query["OrderRow | None"], name="lab.get_row"):
    order_id: str


class GetCached(Query["OrderRow | None"], name="lab.get_cached"):
    order_id: str


class Away(Exception):
    """Something that a handler needs is away."""


def fault(name: str) -> Path:
    """Return the file that causes a fault while it exists."""
    return Path(os.environ.get("LAB_FAULTS", "no lab")) / name


shop = Router("lab")


@shop.command_handler(Place)
async def place(command: Place, unit: UnitOfWork) -> None:
    """Place an order."""
    unit.record(Placed(order_id=command.order_id), stream=command.order_id)


@shop.command_handler(Count)
async def count(command: Count, unit: UnitOfWork) -> None:
    """Record a number of events."""
    for number in range(command.events):
        unit.record(Counted(number=number), stream="counts")


@shop.command_handler(Remind)
async def remind(command: Remind) -> None:
    """Send a reminder."""
    if fault("remind").exists():
        raise Away("the mail server")


@shop.command_handler(Withdraw)
async def withdraw(command: Withdraw) -> None:
    """Start a process that compensates its only step."""


@shop.command_handler(Reserve)
async def reserve(command: Reserve) -> None:
    """Reserve the goods of an order."""


@shop.command_handler(Release)
async def release(command: Release) -> None:
    """Release the goods of an order."""
    if fault("stock").exists():
        raise Away("the stock")


@shop.process(retry=Retry(attempts=1))
class Withdrawal(Process, name="lab.withdrawal", key="order_id"):
    """The withdrawal of an order. The compensation fails on demand."""

    order_id: str

    @starts(Withdraw)
    def withdrawn(self, command: Withdraw, flow: Flow) -> None:
        """Reserve the goods."""
        flow.send(Reserve(order_id=self.order_id), compensate=Release(order_id=self.order_id))

    @on_reply(Reserve)
    def reserved(self, reply: None, flow: Flow) -> None:
        """Undo the process."""
        flow.compensate("withdrawn")


@shop.projection("order_rows", retry=Retry(attempts=1))
class OrderRows:
    """The orders. An update fails or hangs on demand."""

    @on(Placed)
    async def placed(self, event: Placed, rows: ReadModel[OrderRow]) -> None:
        """Store the row of an order."""
        if fault("update").exists():
            raise Away("the exchange rates")
        await rows.put(OrderRow(order_id=event.order_id))

    if not fault("release").exists():  # another release of the projection does not know these events

        @on(Counted)
        async def counted(self, event: Counted, rows: ReadModel[OrderRow]) -> None:
            """Wait for as long as the fault exists."""
            while fault("hang").exists():  # noqa: ASYNC110 -- another process removes the file
                await anyio.sleep(0.05)


@shop.query_handler(GetRow)
async def get_row(query: GetRow, rows: ReadModel[OrderRow]) -> OrderRow | None:
    """Return the row of an order."""
    return await rows.get(query.order_id)


@shop.query_handler(GetCached, cache=Cache(ttl=60, key="order:{order_id}", invalidated_by={Placed: "order:{order_id}"}))
async def get_cached(query: GetCached, rows: ReadModel[OrderRow]) -> OrderRow | None:
    """Return the row of an order, from the cache if it can."""
    return await rows.get(query.order_id)


@shop.event_handler(Placed, name="mail", start="beginning", retry=Retry(attempts=1000, delay=0.2, longest=0.2))
async def mail(event: Placed) -> None:
    """Send a mail."""
    if fault("mail").exists():
        raise Away("the mail server")


async def deliver(command: Deliver, unit: UnitOfWork) -> None:
    """Deliver an order. The carrier does this, which is another application."""
    unit.record(Delivered(order_id=command.order_id), stream=command.order_id)


class DefectiveNotifier(RedisNotifier):
    """A notifier with a defect on demand: it raises an exception that its contract does not know."""

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        """Call `notify` at each notification."""
        if fault("watch").exists():
            raise RuntimeError("a defect of the notifier")
        await super().watch(log, notify)


@asynccontextmanager
async def opened(ahead: timedelta = timedelta(0)) -> AsyncIterator[Application]:
    """Give the shop on the servers that the environment names.

    Args:
        ahead: how far the clock of the process is ahead.
    """
    telemetry = _telemetry(os.environ.get("LAB_METRICS_PORT"))
    async with AsyncExitStack() as clients:
        engine = create_async_engine(os.environ["LAB_DATABASE"])
        clients.push_async_callback(engine.dispose)
        cache = await clients.enter_async_context(Redis.from_url(os.environ["LAB_REDIS"]))
        broker = RabbitMQ(os.environ["LAB_BROKER"])
        app = Application(
            "lab",
            write=SqlAlchemy(engine),
            cache=RedisCache(cache),
            notifier=DefectiveNotifier(cache),
            transport=RedisStreams(cache) if fault("streams").exists() else broker,
            requests=broker,
            retry_scheduled=Retry(attempts=1),
            health=Thresholds(lag=5.0, backlog=1000, overdue=1.0),
            lease=LEASE,
            telemetry=telemetry,
            clock=WrongClock(ahead),
        )
        app.include(shop)
        app.relay(Placed, unroutable="drop")
        app.consume(Delivered, source="carrier")
        app.serve(GetRow)
        tasks = await clients.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_show, app, os.environ.get("LAB_CONSOLE_PORT"))
        yield app
        tasks.cancel_scope.cancel()


async def _show(app: Application, port: str | None) -> None:
    """Serve the console of this process as soon as the application runs; nothing without a port."""
    while port is not None:
        try:
            await app.health()
        except ApplicationNotRunning:
            await anyio.sleep(0.05)
        else:
            await serve(app, port=int(port))
            return


def _telemetry(port: str | None) -> Telemetry | None:
    """Serve the metrics of this process to Prometheus; nothing without a port."""
    if port is None:
        return None
    start_http_server(int(port), "127.0.0.1")
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    return Telemetry(interval=0.2)


async def trade(app: Application) -> None:
    """Do everything that has a duration: place an order, wait for its row, ask the cache and another process."""
    order_id = str(uuid4())
    async with app.session() as session:
        await session.dispatch(Place(order_id=order_id))
        await session.dispatch(Withdraw(order_id=order_id))
        await session.execute(GetRow(order_id=order_id))
        await session.execute(GetCached(order_id=order_id))
    async with RabbitMQ(os.environ["LAB_BROKER"]) as broker:
        await RemoteQueryBus(broker, "lab").execute(GetRow(order_id=order_id))


async def main() -> None:
    """Run a process without subscriptions until SIGTERM. It does what files ask for."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with opened() as app:
        app.work = False
        async with app:
            while not stopped.is_set():
                if fault("read").exists():
                    with suppress(UnreadableRow):
                        await app.execute(GetRow(order_id=fault("read").read_text()))
                if fault("trade").exists():
                    with suppress(TwofoldError):
                        await trade(app)
                while fault("block").exists():
                    time.sleep(0.05)  # noqa: ASYNC251 -- the fault is a blocked event loop
                with anyio.move_on_after(0.1):
                    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
