"""Old idempotency keys and inbox entries are deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import pytest

from twofold import Application
from twofold.ports import KeyRecord, WriteStore
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory

OLD, YOUNG = datetime(2024, 5, 17, tzinfo=UTC), datetime(2024, 5, 26, tzinfo=UTC)


class Later:
    """A clock that is ten days ahead of the records of these tests."""

    def now(self) -> datetime:
        return datetime(2024, 5, 27, tzinfo=UTC)


class Noting(Hooked):
    """A store that records how many records each of its transactions has deleted."""

    def __init__(self) -> None:
        super().__init__(InMemory(), "inbox.delete", self._note)
        self.forgotten: list[int] = []
        self.done = anyio.Event()

    async def _note(self, delete: Call) -> int:
        self.forgotten.append(await delete())
        if self.forgotten[-1] < 500:
            self.done.set()
        return self.forgotten[-1]


@pytest.fixture
async def noting() -> Noting:
    """Return a store with 1,300 old messages, 3 new ones, and a key of each age."""
    noting = Noting()
    transaction = await noting.begin()
    for number in range(1303):
        await transaction.inbox.claim("c", f"{number}", time=OLD if number >= 3 else YOUNG)
    for time in (OLD, YOUNG):
        await transaction.keys.claim("", f"{time:%d}", KeyRecord("Pay", "", time))
    await transaction.commit()
    return noting


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_a_running_application_deletes_old_records(noting: Noting) -> None:
    """A running application deletes records older than its limit, in batches.

    New records and records without a time stay.
    """
    app = Application("bank", write=cast(WriteStore, noting), clock=Later(), keep_records=timedelta(days=7))
    with in_time():
        async with app:
            await noting.done.wait()
    assert noting.forgotten == [500, 500, 300]
    assert await noting.inbox.delete(before=Later().now(), limit=10) == 3
    assert await noting.keys.delete(before=Later().now(), limit=10) == 1


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
@pytest.mark.parametrize("options", [{"keep_records": None}, {"work": False}])
async def test_old_records_are_deleted_on_demand(noting: Noting, options: dict[str, Any]) -> None:
    """Without a limit, or in a process without subscriptions, only an explicit call deletes records."""
    async with Application("bank", write=cast(WriteStore, noting), clock=Later(), **options) as app:
        await anyio.wait_all_tasks_blocked()
        assert noting.forgotten == []
        assert await app.operations.delete_records(older_than=timedelta(days=5)) == 1301
        assert noting.forgotten == [500, 500, 300]
