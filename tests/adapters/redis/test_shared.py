"""Two applications on one Redis are apart by their prefixes, and found out where they have the same."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis as Client

from twofold.errors import ForeignLog
from twofold.ports import Checkpoint, Position, RowChange
from twofold.testing.conformance._domain.row_samples import Task, all_of
from twofold_redis import Redis


async def wrote(store: Redis, key: str, projection: str, log: str) -> None:
    """Write a row as a projection does that has just begun with the events of a log."""
    transaction = await store.begin()
    task = Task(id=key, note=log)
    await transaction.rows(Task).write([RowChange(task.id, task, Position(1))])
    await transaction.checkpoints.advance(projection, expected=None, to=Checkpoint(Position(1), log))
    await transaction.commit()


async def test_rows_of_two_logs_do_not_mix(store: Redis) -> None:
    """A second log that uses the same view name is refused and writes nothing."""
    await wrote(store, "1", "mine", "log a")
    await wrote(store, "2", "mine too", "log a")
    with pytest.raises(ForeignLog, match="prefix=") as refused:
        await wrote(store, "1", "theirs", "log b")
    assert "come from log log a, the new ones from log b" in str(refused.value)
    assert {key: task.note for key, task in (await all_of(store, Task)).items()} == {"1": "log a", "2": "log a"}
    assert await store.subscriptions.checkpoint("theirs") is None


async def test_another_prefix_is_another_store(client: Client, store: Redis, prefix: str) -> None:
    """Views with the same name under different prefixes are independent."""
    other = Redis(client, prefix=f"{prefix}-other")
    await wrote(store, "1", "mine", "log a")
    await wrote(other, "1", "theirs", "log b")
    assert [task.note for task in (await all_of(store, Task)).values()] == ["log a"]
    assert [task.note for task in (await all_of(other, Task)).values()] == ["log b"]
