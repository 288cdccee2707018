"""A commit whose answer is lost: sent again it is not done twice, and otherwise said to be unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from twofold.errors import CheckpointMoved, CommitFailed, TransientFailure, UnitOfWorkClosed, UnitOfWorkDoomed
from twofold.ports import Checkpoint, Position, RowChange
from twofold.testing.conformance._row_samples import Task, all_of
from twofold_redis import Redis


class Wire:
    """A connection to Redis that loses the answer to the next commits."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.lose = 0
        self.lost = asyncio.Event()
        self.hold: asyncio.Event | None = None

    @asynccontextmanager
    async def client(self, retries: int) -> AsyncIterator[Client]:
        """Give a client that speaks over it."""
        async with asyncio.TaskGroup() as links:
            server = await asyncio.start_server(lambda *ends: links.create_task(self._pass(*ends)), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            try:
                async with Client(port=port, retry=Retry(NoBackoff(), retries)) as client:
                    yield client
            finally:
                server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(self._target.hostname, self._target.port)
        commits = False

        async def ask() -> None:
            nonlocal commits
            while chunk := await reader.read(65536):
                commits = b":commit:" in chunk
                forth.write(chunk)
            forth.close()

        async def answer() -> None:
            while chunk := await back.read(65536):
                if commits and self.hold is not None:
                    self.lost.set()
                    await self.hold.wait()
                if commits and self.lose:
                    self.lose -= 1
                    self.lost.set()
                    break
                writer.write(chunk)
            writer.transport.abort()
            forth.transport.abort()

        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(ask())
                ways.create_task(answer())
        except* OSError:
            pass


@pytest.fixture
def wire(redis_url: str, client: Client) -> Wire:
    """A connection to the shared server, which `client` cleans."""
    return Wire(redis_url)


def at(position: int) -> Checkpoint:
    """Return a checkpoint."""
    return Checkpoint(Position(position), "log")


async def test_an_answer_that_is_lost_once(wire: Wire, prefix: str, store: Redis) -> None:
    """A client that sends the commit again is told that it was done, and it was done once: a swap is not undone."""
    async with wire.client(retries=3) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.rows(Task, shadow=True).write([RowChange("a", Task(id="a"), Position(1))])
        await transaction.advance("tasks", expected=None, to=at(1))
        await transaction.swap_shadows([Task])
        wire.lose = 1
        await transaction.commit()
    assert wire.lost.is_set()
    assert await all_of(store, Task) == {"a": Task(id="a")}
    assert await store.checkpoint("tasks") == at(1)


async def test_an_answer_that_stays_away(wire: Wire, prefix: str, store: Redis) -> None:
    """Where nobody can say whether it was done the error says *unknown*, and the transaction is over."""
    async with wire.client(retries=0) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.advance("tasks", expected=None, to=at(1))
        wire.lose = 1
        with pytest.raises(CommitFailed, match="unknown"):
            await transaction.commit()
        with pytest.raises(UnitOfWorkDoomed):
            await transaction.commit()
        await transaction.rollback()
        with pytest.raises(UnitOfWorkClosed):
            await transaction.rows(Task).count(())
    assert await store.checkpoint("tasks") == at(1)


async def test_a_cancelled_commit_is_awaited(wire: Wire, prefix: str, store: Redis) -> None:
    """A commit that was sent ends before its task does, so that nobody goes on while it is under way."""
    wire.hold = asyncio.Event()
    ended: list[str] = []
    async with wire.client(retries=0) as client, anyio.create_task_group() as tasks:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.advance("tasks", expected=None, to=at(1))

        async def commit() -> None:
            await transaction.commit()
            ended.append("committed")

        tasks.start_soon(commit)
        await wire.lost.wait()
        tasks.cancel_scope.cancel()
        wire.hold.set()
    assert ended == ["committed"]
    assert await store.checkpoint("tasks") == at(1)


async def test_a_checkpoint_that_moves_before_the_commit(store: Redis) -> None:
    """Of two transactions that looked at the same checkpoint the later commit is refused, and leaves nothing."""
    one, other = await store.begin(), await store.begin()
    for transaction, key in ((one, "one"), (other, "other")):
        await transaction.rows(Task).write([RowChange(key, Task(id=key), Position(1))])
        await transaction.advance("tasks", expected=None, to=at(1))
    await one.commit()
    with pytest.raises(CheckpointMoved, match=r"'tasks'.*stands at 1 0 log"):
        await other.commit()
    assert list(await all_of(store, Task)) == ["one"]


async def test_a_lease_that_is_lost_before_the_commit(store: Redis) -> None:
    """A worker whose segment was claimed between its step and its commit writes nothing."""
    first = await store.begin()
    await first.divide("tasks", [at(0)], leases=())
    await first.commit()
    (lease,) = await store.claim("tasks", "slow", seconds=0, limit=1)
    slow = await store.begin()
    await slow.rows(Task).write([RowChange("a", Task(id="a"), Position(1))])
    await slow.advance("tasks", expected=at(0), to=at(1), lease=lease)
    await store.claim("tasks", "quick", seconds=60, limit=1)
    with pytest.raises(CheckpointMoved, match="lease"):
        await slow.commit()
    assert await all_of(store, Task) == {}
    assert await store.checkpoint("tasks") == at(0)


async def test_scripts_are_shown_again(client: Client, store: Redis, new_prefix: Callable[[], str]) -> None:
    """A Redis that was restarted, and knows no script any more, is shown them."""
    await client.script_flush()
    transaction = await store.begin()
    await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(1))])
    await transaction.commit()
    await client.script_flush()
    assert await all_of(store, Task) == {"a": Task(id="a")}
    assert await all_of(Redis(client, prefix=new_prefix()), Task) == {}


async def test_nothing_answers() -> None:
    """A Redis that is not there is a transient failure of each call; a transaction that met it can only be rolled back."""
    async with Client(port=1, retry=Retry(NoBackoff(), 0)) as client:
        transaction = await Redis(client).begin()
        with pytest.raises(TransientFailure, match=r"read rows of Task.*ConnectionError"):
            await transaction.rows(Task).count(())
        with pytest.raises(UnitOfWorkDoomed):
            await transaction.rows(Task).count(())
        await transaction.rollback()


async def test_a_client_that_decodes(redis_url: str, prefix: str, store: Redis) -> None:
    """A client that was made to return texts will do as well, and so will one that speaks RESP3."""
    kinds: list[dict[str, Any]] = [{"decode_responses": True}, {"protocol": 3}, {"protocol": 2}]
    for number, options in enumerate(kinds, start=1):
        async with Client.from_url(redis_url, **options) as client:
            same = Redis(client, prefix=prefix)
            transaction = await same.begin()
            await transaction.rows(Task).write([RowChange("a", Task(id="a", rank=number), Position(number))])
            await transaction.commit()
            assert await all_of(same, Task) == await all_of(store, Task) == {"a": Task(id="a", rank=number)}
