"""Events that cross from one application to another, while processes of both are killed, paused and cut off."""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import anyio
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from tests.brokers import delete
from tests.crash.crossing import PUBLISHING, RECEIVING, Doubles, Loses, PointedBroker, Reorders, broker, run
from tests.crash.lab import Member, with_logs
from tests.crash.points import Fate
from tests.domains.shops import GetParcel, Parcel, Sell, selling, shipping
from twofold import Application
from twofold.errors import ReadNotReady
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_sqlalchemy import SqlAlchemy

KEYS = [f"order-{number}" for number in range(7)]

ENOUGH = 100
"""The minimum number of sales in a test."""


class Crossing:
    """A shop on one database, a depot on another, and a broker between them.

    Attributes:
        sold: how many of each order were sold, as far as the shop has answered.
    """

    def __init__(self, shop: str, depot: str, broker_url: str, prefix: str, folder: Path) -> None:
        self.sold: Counter[str] = Counter()
        self._unseen: deque[tuple[str, str, int]] = deque()
        self._urls = {"shop": shop, "depot": depot}
        self._broker = broker_url
        self._prefix = prefix
        self._folder = folder
        self._numbers = count(1)
        self._members: list[Member] = []

    def start(self, which: Literal["shop", "depot"], fate: Fate | None = None) -> Member:
        """Start a process of one of the two."""
        name = f"{which}{next(self._numbers)}"
        log = self._folder / f"{name}.log"
        member = Member(name, log, run, which, self._urls[which], self._broker, self._prefix, fate)
        self._members.append(member)
        return member

    @asynccontextmanager
    async def opened(
        self, which: Literal["shop", "depot"], *, work: bool, broken: type[PointedBroker] = PointedBroker
    ) -> AsyncIterator[Application]:
        """Run one of the two here, perhaps on a broker that breaks a promise."""
        engine = create_async_engine(self._urls[which])
        application = selling if which == "shop" else shipping
        try:
            async with (
                broker(self._broker, self._prefix) as transport,
                application(SqlAlchemy(engine), cast(Any, broken(transport, None)), work=work, seconds=None) as app,
            ):
                yield app
        finally:
            await engine.dispose()

    async def sell(self, app: Application, random: Random, *, done: anyio.Event) -> None:
        """Sell until the test stops it.

        Rest after each sale for longer than the sale took, because a sale causes work for others.
        """
        while not done.is_set():
            began = anyio.current_time()
            order, number = random.choice(KEYS), random.randint(1, 5)
            async with app.session() as session:
                await session.dispatch(Sell(order_id=order, number=number))
            self.sold[order] += number
            self._unseen.append((session.token, order, self.sold[order]))
            await anyio.sleep(0.01 + 3 * (anyio.current_time() - began))

    async def look(self, depot: Application, *, done: anyio.Event) -> None:
        """Query each sale at the depot with the token of the shop, until the test stops it."""
        while not done.is_set():
            if not self._unseen:
                await anyio.sleep(0.01)
            elif await self._has_seen(depot, *self._unseen[0], timeout=0.5):
                self._unseen.popleft()

    async def sells(self, number: int) -> None:
        """Wait until this number of further sales was made."""
        wanted = self.sold.total() + number
        await until(lambda: self.sold.total() > wanted, with_logs("more was to be sold", *self._members), pause=0.1)

    async def holders(self) -> set[str | None]:
        """Return the processes that hold the leases of the relay and of the depot's projection."""
        found: set[str | None] = set()
        for which, subscription in (("shop", "relay"), ("depot", "parcels")):
            engine = create_async_engine(self._urls[which])
            found |= {each.owner for each in await SqlAlchemy(engine).subscriptions.partitions(subscription)}
            await engine.dispose()
        return found

    async def _parcel(self, depot: Application, order: str, number: int) -> Parcel:
        """Return a parcel when its sales have arrived. RabbitMQ does not count what a killed consumer had unsettled."""

        async def arrived() -> bool:
            parcel = await depot.execute(GetParcel(order_id=order))
            return parcel is not None and len(parcel.numbers) >= number

        await until(arrived, f"{number} sales of {order} were to arrive", seconds=15, pause=0.1)
        found = await depot.execute(GetParcel(order_id=order))
        assert found is not None
        return found

    async def _has_seen(self, depot: Application, token: str, order: str, number: int, *, timeout: float) -> bool:
        """Assert that the depot knows a sale, as soon as it says that it does."""
        try:
            parcel = await depot.session(token).execute(GetParcel(order_id=order), timeout=timeout)
        except ReadNotReady as error:
            if error.parked:
                raise
            return False
        assert parcel is not None
        assert parcel.numbers[:number] == tuple(range(1, number + 1))
        return True

    @asynccontextmanager
    async def trading(self, random: Random) -> AsyncIterator[None]:
        """Sell here all the time, and look over there whether it has arrived."""
        done = anyio.Event()
        async with (
            self.opened("shop", work=False) as shop,
            self.opened("depot", work=False) as depot,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(lambda: self.sell(shop, random, done=done))
            tasks.start_soon(lambda: self.look(depot, done=done))
            yield
            await self.sells(ENOUGH - self.sold.total())
            done.set()

    async def met(self, fates: list[tuple[Literal["shop", "depot"], Fate]]) -> None:
        """Let a process meet each fate, one process of each application at a time."""

        async def one_after_another(which: Literal["shop", "depot"]) -> None:
            for mine, fate in fates:
                if mine == which:
                    await self.start(which, fate).killed()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_after_another, "shop")
            tasks.start_soon(one_after_another, "depot")

    async def finish(self) -> None:
        """Stop all processes and let undisturbed applications settle.

        Check that the depot knows each sale once and in order.
        """
        for member in self._members:
            member.kill()
        async with self.opened("shop", work=True) as shop, self.opened("depot", work=True) as depot:
            await shop.settle(timeout=CEILING)
            await depot.settle(timeout=CEILING)
            for order, number in self.sold.items():
                parcel = await self._parcel(depot, order, number)
                assert parcel.numbers == tuple(range(1, number + 1))
            while self._unseen:
                assert await self._has_seen(depot, *self._unseen.popleft(), timeout=CEILING)
            assert not await shop.operations.parked("relay")
            assert (await depot.health()).healthy
        assert self.sold.total() > ENOUGH

    def close(self) -> None:
        """Kill the remaining processes."""
        for member in self._members:
            member.kill()


@pytest.fixture(params=["rabbitmq", "redis-streams"])
async def crossing(
    request: pytest.FixtureRequest,
    new_postgresql_url: Callable[[], str],
    new_prefix: Callable[[], str],
    tmp_path: Path,
) -> AsyncIterator[Crossing]:
    """Give two databases and a broker, where both applications have been once."""
    url = request.getfixturevalue("rabbitmq_url" if request.param == "rabbitmq" else "redis_url")
    prefix = new_prefix()
    made = Crossing(new_postgresql_url(), new_postgresql_url(), url, prefix, tmp_path)
    async with AsyncExitStack() as opened:
        for which in ("depot", "shop"):
            await opened.enter_async_context(made.opened(which, work=False))
    yield made
    made.close()
    if request.param == "rabbitmq":
        consumer = f"{prefix}.depot.shop"
        await delete(url, [f"{consumer}.{part}" for part in (0, 1, "parked")], [prefix, f"{prefix}:requests", consumer])
    else:
        async with Redis.from_url(url) as client:
            async for key in client.scan_iter(f"*{prefix}*", count=10_000):
                await client.unlink(key)


async def test_killed_at_every_point(crossing: Crossing, round_number: int) -> None:
    """Before and after each step of the relay and of the receiver: nothing is lost, doubled or out of order."""
    random = Random(round_number)
    fates: list[tuple[Literal["shop", "depot"], Fate]] = [
        *(
            ("shop", Fate(moment, point, random.randint(1, 3)))
            for point in PUBLISHING
            for moment in ("before", "after")
        ),
        *(
            ("depot", Fate(moment, point, random.randint(1, 3)))
            for point in RECEIVING
            for moment in ("before", "after")
        ),
    ]
    random.shuffle(fates)
    async with crossing.trading(random):
        await crossing.met(fates)
    await crossing.finish()


# `test_killed_at_every_point` runs over both brokers.
@pytest.mark.parametrize(
    "crossing", ["rabbitmq", pytest.param("redis-streams", marks=pytest.mark.everywhere)], indirect=True
)
async def test_killed_at_random(crossing: Crossing, round_number: int) -> None:
    """Two processes of each application, and now one, now another is killed and followed by a new one."""
    random = Random(round_number)
    async with crossing.trading(random):
        running: dict[Literal["shop", "depot"], list[Member]] = {
            "shop": [crossing.start("shop"), crossing.start("shop")],
            "depot": [crossing.start("depot"), crossing.start("depot")],
        }
        for number in range(8):
            await anyio.sleep(random.uniform(0.1, 0.7))  # where each is when it dies is left to chance
            which: Literal["shop", "depot"] = "shop" if number % 2 else "depot"
            running[which].pop(0).kill()
            running[which].append(crossing.start(which))
    await crossing.finish()


@pytest.mark.parametrize(
    ("crossing", "point"),
    [
        ("rabbitmq", "advance"),
        ("redis-streams", "begin"),
        pytest.param("rabbitmq", "begin", marks=pytest.mark.everywhere),
        pytest.param("redis-streams", "advance", marks=pytest.mark.everywhere),
    ],
    indirect=["crossing"],
)
async def test_paused_for_longer_than_a_lease(crossing: Crossing, point: str, round_number: int) -> None:
    """A process of each application sleeps inside a transaction until others have taken over, and then continues."""
    random = Random(round_number)
    fate = Fate("after", point, random.randint(2, 4), signal.SIGSTOP)
    async with crossing.trading(random):
        first = [crossing.start("shop", fate), crossing.start("depot", fate)]
        await until(lambda: all(each.is_paused() for each in first), with_logs("two processes were to sleep", *first))
        paused = await crossing.holders()
        second = [crossing.start("shop"), crossing.start("depot")]

        async def taken_over() -> bool:
            holders = await crossing.holders()
            return not holders & {None, *paused}

        await until(taken_over, with_logs("others were to take over", *second), pause=0.1)
        await crossing.sells(50)
        for each in first:
            each.send(signal.SIGCONT)
        await crossing.sells(50)
    await crossing.finish()


@pytest.mark.parametrize("crossing", ["redis-streams"], indirect=True)  # the fault is in front of the broker
@pytest.mark.parametrize("broken", [Loses, Doubles, Reorders])
async def test_the_lab_notices(crossing: Crossing, broken: type[PointedBroker]) -> None:
    """An event that is lost, doubled or out of order on the way does not get past the end of a test."""
    async with crossing.opened("shop", work=True, broken=broken) as shop:
        for number in range(60):
            order = KEYS[number % len(KEYS)]
            await shop.dispatch(Sell(order_id=order, number=2))
            crossing.sold[order] += 2
        await shop.settle()
    with pytest.raises(AssertionError):
        await crossing.finish()
