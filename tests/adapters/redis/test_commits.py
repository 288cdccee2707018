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

from twofold.errors import (
    CheckpointMoved,
    CommitUnknown,
    NotStorable,
    TransientFailure,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
)
from twofold.ports import (
    Checkpoint,
    Condition,
    Lease,
    Operator,
    Ordering,
    ParkedEvent,
    Position,
    RowChange,
    Selection,
)
from twofold.testing.conformance._domain.row_samples import Task, all_of
from twofold.testing.conformance._stores.subscription_store import events
from twofold_redis import Redis


class Wire:
    """A connection to Redis that loses the answer to the next commits."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.lose = 0
        self.lost = asyncio.Event()
        self.hold: asyncio.Event | None = None

    @asynccontextmanager
    async def client(self, retries: int, **options: Any) -> AsyncIterator[Client]:
        """Give a client that speaks over it."""
        async with asyncio.TaskGroup() as links:
            server = await asyncio.start_server(lambda *ends: links.create_task(self._pass(*ends)), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            try:
                async with Client(port=port, retry=Retry(NoBackoff(), retries), **options) as client:
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
    """A client that repeats a commit after a lost answer gets its first result.

    The commit, such as a swap, happens once.
    """
    async with wire.client(retries=3) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.rows(Task, shadow=True).write([RowChange("a", Task(id="a"), Position(1))])
        await transaction.checkpoints.advance("tasks", expected=None, to=at(1))
        await transaction.shadows.swap([Task])
        wire.lose = 1
        await transaction.commit()
    assert wire.lost.is_set()
    assert await all_of(store, Task) == {"a": Task(id="a")}
    assert await store.subscriptions.checkpoint("tasks") == at(1)


async def test_an_answer_that_stays_away(wire: Wire, prefix: str, store: Redis) -> None:
    """If the answer to a commit never arrives, the error says that the outcome is unknown.

    The transaction has ended.
    """
    async with wire.client(retries=0) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.checkpoints.advance("tasks", expected=None, to=at(1))
        wire.lose = 1
        with pytest.raises(CommitUnknown, match="unknown"):
            await transaction.commit()
        with pytest.raises(UnitOfWorkDoomed):
            await transaction.commit()
        await transaction.rollback()
        with pytest.raises(UnitOfWorkClosed):
            await transaction.rows(Task).count(())
    assert await store.subscriptions.checkpoint("tasks") == at(1)


async def test_an_answer_that_comes_too_late(wire: Wire, prefix: str, store: Redis) -> None:
    """If the client stops waiting for the answer to a commit, the error says that the outcome is unknown."""
    wire.hold = asyncio.Event()
    async with wire.client(retries=0, socket_timeout=0.2) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.checkpoints.advance("tasks", expected=None, to=at(1))
        try:
            with pytest.raises(CommitUnknown, match="unknown"):
                await transaction.commit()
        finally:
            wire.hold.set()
    assert await store.subscriptions.checkpoint("tasks") == at(1)


@pytest.mark.parametrize("how", ["by its scope", "by asyncio"])
async def test_a_cancelled_commit_is_awaited(how: str, wire: Wire, prefix: str, store: Redis) -> None:
    """A task that is cancelled during a commit waits for its end, so that no work overlaps with the commit."""
    wire.hold = asyncio.Event()
    async with wire.client(retries=0) as client:
        transaction = await Redis(client, prefix=prefix).begin()
        await transaction.checkpoints.advance("tasks", expected=None, to=at(1))
        scope, returned = anyio.CancelScope(), list[str]()

        async def commit() -> None:
            with scope:
                await transaction.commit()
                returned.append("by its scope")

        task = asyncio.create_task(commit())
        await wire.lost.wait()
        for _ in range(2):
            scope.cancel() if how == "by its scope" else task.cancel()
            await asyncio.wait([task], timeout=0.05)
        assert not task.done()
        wire.hold.set()
        await asyncio.wait([task])
        assert await store.subscriptions.checkpoint("tasks") == at(1)
        assert returned == ["by its scope"] * (how == "by its scope")
        assert task.cancelled() is (how == "by asyncio")


async def test_a_checkpoint_that_moves_before_the_commit(store: Redis) -> None:
    """Of two transactions that looked at the same checkpoint the later commit is refused, and leaves nothing."""
    one, other = await store.begin(), await store.begin()
    for transaction, key in ((one, "one"), (other, "other")):
        await transaction.rows(Task).write([RowChange(key, Task(id=key), Position(1))])
        await transaction.checkpoints.advance("tasks", expected=None, to=at(1))
    await one.commit()
    with pytest.raises(CheckpointMoved, match=r"'tasks'.*it is at 1 0 .*log\. Another worker advanced it first"):
        await other.commit()
    assert list(await all_of(store, Task)) == ["one"]


async def test_a_lease_of_before_everything_was_lost(client: Client, store: Redis, prefix: str) -> None:
    """After a loss of all data a partition can be claimed again. Leases from before the loss are invalid."""

    async def claimed(owner: str) -> Lease:
        first = await store.begin()
        await first.checkpoints.divide("tasks", [at(0)], leases=())
        await first.commit()
        (lease,) = await store.subscriptions.claim("tasks", owner, seconds=60, limit=1)
        return lease

    before = await claimed("before")
    await client.unlink(f"{{{prefix}}}:partitions:tasks")
    after = await claimed("after")
    assert await store.subscriptions.renew([before], seconds=60) == []
    await store.subscriptions.release([before])
    late = await store.begin()
    with pytest.raises(CheckpointMoved, match="lease"):
        await late.checkpoints.advance("tasks", expected=at(0), to=at(1), lease=before)
    await late.rollback()
    assert await store.subscriptions.renew([after], seconds=60) == [after]


async def test_more_rows_than_lua_takes_at_a_time(store: Redis) -> None:
    """Nine thousand rows are written by one commit, found by one find, read by their keys, and deleted."""
    transaction = await store.begin()
    rows = {str(number): Task(id=str(number), rank=number) for number in range(9_000)}
    await transaction.rows(Task).write([RowChange(key, row, Position(1)) for key, row in rows.items()])
    await transaction.commit()
    reader = (await store.begin(read_only=True)).rows(Task)
    by_team = Selection((Condition("team", Operator.EQ, "a"),), (Ordering("rank"), Ordering("id")))
    assert [row.id for row in await reader.select(by_team)] == list(rows)
    assert await reader.get_many([*rows, "none"]) == rows
    transaction = await store.begin()
    await transaction.rows(Task).write([RowChange(key, None, Position(2)) for key in rows])
    assert await transaction.rows(Task).count(()) == 0
    await transaction.commit()
    assert await all_of(store, Task) == {}


async def test_positions_are_whole_numbers(store: Redis) -> None:
    """Positions that are equal as numbers of Lua are still compared exactly: the newer change wins."""
    for position in (2**53 + 1, 2**53, 99):
        transaction = await store.begin()
        await transaction.rows(Task).write([RowChange("a", Task(id="a", note=str(position)), Position(position))])
        await transaction.commit()
    assert await all_of(store, Task) == {"a": Task(id="a", note=str(2**53 + 1))}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (Task(id="k", rank=1 << 1_100), "rank"),
        (Task(id="k", team="b\udcff"), "team"),
        (Task(id="k", note="b\udcff"), "note"),
        (Task(id="k\udcff"), "id"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_row_that_cannot_be_kept(store: Redis, row: Task, field: str) -> None:
    """It is refused when it is written, with its view, its key and its field, and ends the transaction as on a database."""
    transaction = await store.begin()
    with pytest.raises(NotStorable, match=f"Task 'k.*field '{field}'"):
        await transaction.rows(Task).write([RowChange(row.id, row, Position(1))])
    with pytest.raises(UnitOfWorkDoomed):
        await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(1))])
    assert await all_of(store, Task) == {}


async def test_words_that_are_no_text_are_parked(store: Redis) -> None:
    """A lone surrogate in a reason or a key is stored unchanged."""
    (event,) = events(1)
    given = ParkedEvent(event, "k\udcff", "no file b\udcff ☕", 1, event.time, event.time)
    transaction = await store.begin()
    await transaction.parked.add("tasks", [given])
    await transaction.commit()
    assert await store.parked.read("tasks") == [given]
    assert list(await store.parked.keys("tasks")) == list(await store.parked.retries("tasks")) == ["k\udcff"]


async def test_a_lease_that_is_lost_before_the_commit(store: Redis) -> None:
    """A worker whose partition was claimed between its step and its commit writes nothing."""
    first = await store.begin()
    await first.checkpoints.divide("tasks", [at(0)], leases=())
    await first.commit()
    (lease,) = await store.subscriptions.claim("tasks", "slow", seconds=0, limit=1)
    slow = await store.begin()
    await slow.rows(Task).write([RowChange("a", Task(id="a"), Position(1))])
    await slow.checkpoints.advance("tasks", expected=at(0), to=at(1), lease=lease)
    await store.subscriptions.claim("tasks", "quick", seconds=60, limit=1)
    with pytest.raises(CheckpointMoved, match="lease"):
        await slow.commit()
    assert await all_of(store, Task) == {}
    assert await store.subscriptions.checkpoint("tasks") == at(0)


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
    """An unreachable Redis is a transient failure of each call. The transaction can only be rolled back."""
    async with Client(port=1, retry=Retry(NoBackoff(), 0)) as client:
        transaction = await Redis(client).begin()
        with pytest.raises(TransientFailure, match=r"read rows of Task.*ConnectionError"):
            await transaction.rows(Task).count(())
        with pytest.raises(UnitOfWorkDoomed):
            await transaction.rows(Task).count(())
        await transaction.rollback()


async def test_a_client_that_decodes(redis_url: str, prefix: str, store: Redis) -> None:
    """Clients that decode responses, encode in another way, or use RESP3 work."""
    latin: dict[str, Any] = {"encoding": "latin-1", "decode_responses": True}
    kinds: list[dict[str, Any]] = [{"decode_responses": True}, {"protocol": 3}, {"protocol": 2}, latin]
    for number, options in enumerate(kinds, start=1):
        async with Client.from_url(redis_url, **options) as client:
            same = Redis(client, prefix=prefix)
            transaction = await same.begin()
            row = Task(id="ß☕", rank=number, team="é", note="naïve")
            await transaction.rows(Task).write([RowChange(row.id, row, Position(number))])
            await transaction.commit()
            assert await all_of(same, Task) == await all_of(store, Task) == {row.id: row}
