"""Sessions with another process."""

from __future__ import annotations

import anyio
import pytest

from tests.domains.stock import Fill, GetLevel, GetTotal, Level
from tests.transport.serving import serving
from twofold import Application, RemoteQueryBus, RemoteSession
from twofold.errors import ReadNotReady, UsedFromAnotherTask
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemoryTransport


async def test_a_session_reads_its_own_writes(here: WriteStore, broker: InMemoryTransport) -> None:
    """Queries of a session, and of any session with its token, wait for the writes of its commands."""
    async with serving(here, broker):
        for number in range(1, 11):
            session = RemoteSession(broker, "stock", timeout=CEILING)
            assert session.token == ""
            await session.dispatch(Fill(article=f"lamp {number}", number=number))
            level = Level(article=f"lamp {number}", number=number)
            assert await session.execute(GetLevel(article=f"lamp {number}")) == level
            resumed = RemoteSession(broker, "stock", timeout=CEILING, token=session.token)
            assert await resumed.execute(GetLevel(article=f"lamp {number}")) == level
            assert await RemoteQueryBus(broker, "stock").execute(GetLevel(article="x"), after=session.token) is None


async def test_a_read_model_that_is_not_ready_raises_the_same_error(
    here: WriteStore, broker: InMemoryTransport
) -> None:
    """A query with a token raises `ReadNotReady`, not a `RemoteFailure`."""
    app = Application("count", write=here, transport=broker)

    @app.query_handler(GetTotal)
    async def get_total(query: GetTotal) -> int:
        raise ReadNotReady("levels", lag=3)

    app.serve(GetTotal)
    await app.create_schema()
    async with app:
        with pytest.raises(ReadNotReady) as raised:
            await RemoteSession(broker, "count").execute(GetTotal())
        assert (raised.value.projection, raised.value.lag) == ("levels", 3)


async def test_a_session_belongs_to_its_task(here: WriteStore, broker: InMemoryTransport) -> None:
    """Another task cannot use it, and nothing is sent."""
    async with serving(here, broker):
        session = RemoteSession(broker, "stock", timeout=CEILING)
        refused: list[UsedFromAnotherTask] = []

        async def use() -> None:
            try:
                await session.dispatch(Fill(article="lamp", number=1))
            except UsedFromAnotherTask as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use)
        assert "RemoteSession.token" in str(refused[0])
        assert await session.execute(GetLevel(article="lamp")) is None
