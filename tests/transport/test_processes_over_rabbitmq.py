"""Processes that send commands to another application over RabbitMQ, with a PostgreSQL database each."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.brokers import open_requests
from tests.domains.stock import Fill, Take
from tests.transport.serving import serving
from tests.transport.test_processes import NAME, Want, shop, wanted
from twofold.errors import CommitUnknown
from twofold.ports import WriteStore
from twofold.testing.conformance import ConnectRequests
from twofold.testing.conformance._tools.watched import BEFORE_COMMIT, watched


@pytest.fixture
def kind() -> str:
    """Give each application a PostgreSQL database."""
    return "postgresql"


@pytest.fixture
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[ConnectRequests]:
    """Give a function that connects to RabbitMQ, as each application has its own connection."""
    async with open_requests("rabbitmq", request) as connect:
        yield connect


async def test_every_process_ends_and_the_stock_adds_up(
    here: WriteStore, there: WriteStore, connect: ConnectRequests
) -> None:
    """Of eight processes that each take two of ten lamps, five are completed and three fail. Nothing is taken twice."""
    await here.create_schema([])
    async with serving(there, await connect()) as stock, shop(here, await connect()) as app:
        await stock.dispatch(Fill(article="lamp", number=10))
        found = await wanted(app, *(Want(order_id=order_id, number=2) for order_id in "abcdefgh"))
        left = await stock.dispatch(Take(article="lamp", number=0))
    assert Counter(state for state, _ in found.values()) == {"completed": 5, "failed": 3}
    assert sorted(rest for state, rest in found.values() if state == "completed") == [0, 2, 4, 6, 8]
    assert left == 0


async def test_failed_commits_take_nothing_twice(here: WriteStore, there: WriteStore, connect: ConnectRequests) -> None:
    """Processes whose commits fail with an unknown outcome are completed, and each takes the stock once."""
    failures = 0

    async def hook(point: str, subject: str) -> None:
        nonlocal failures
        if point == BEFORE_COMMIT and subject == NAME and failures < 3:
            failures += 1
            raise CommitUnknown("failed on purpose")

    await here.create_schema([])
    async with serving(there, await connect()) as stock, shop(watched(here, hook), await connect()) as app:
        await stock.dispatch(Fill(article="lamp", number=10))
        found = await wanted(app, *(Want(order_id=order_id) for order_id in "abc"))
        left = await stock.dispatch(Take(article="lamp", number=0))
    assert (failures, left) == (3, 7)
    assert sorted(found.values()) == [("completed", 7), ("completed", 8), ("completed", 9)]
