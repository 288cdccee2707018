"""Operators discard one parked event of a key: the others stay, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import pytest

from twofold import Application, Router
from twofold.ports import ParkedEvent, WriteStore

from .._domain.audit import audited, auditing, deposits, running, settled
from .._domain.bank import Deposit, application
from .._tools.dial import Dial
from .._tools.hooked import Call, Hooked
from .._tools.in_time import in_time
from .._tools.opened import NewStore
from .pending_retries import HOUR, KEY, LATER, dialled, failing, passes, pending


async def parked_key(app: Application, *amounts: int) -> list[ParkedEvent]:
    """Deposit amounts in the failing account "bad"; return the parked events of its key."""
    await deposits(app, "bad")
    for amount in amounts:
        await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
    await settled(app)
    return await pending(app)


@asynccontextmanager
async def operator(
    store: WriteStore, after_reading: Callable[[], Awaitable[None]], router: Router | None = None
) -> AsyncIterator[Application]:
    """Run the application of an operator, who waits once between reading the parked events and changing them."""
    waited: list[bool] = []

    async def hold(call: Call) -> Any:
        found = await call()
        if not waited:
            waited.append(True)
            await after_reading()
        return found

    hooked: Any = Hooked(store, "parked.read", hold)
    async with await application(hooked, router or auditing(), work=False) as app:
        yield app


async def discarded(app: Application, event_id: UUID) -> bool:
    """Discard one event of the key; return False if the event is no longer parked."""
    try:
        (gone,) = await app.operations.discard("audit", KEY, event_id=event_id)
    except LookupError:
        return False
    assert gone.event.id == event_id
    return True


async def parked_count(store: WriteStore) -> int:
    """Return the number of parked events in the checkpoints of "audit"."""
    checkpoint = await store.subscriptions.checkpoint("audit")
    return checkpoint.parked if checkpoint is not None else 0


class Discards:
    """The cases of `SubscriptionSuite` about discarding one parked event."""

    async def test_one_parked_event_is_discarded(self, new_store: NewStore) -> None:
        """The other events of the key stay parked in their order, and are handled by `retry`."""
        bad = ["bad"]
        async with new_store([]) as store, running(store, auditing(fail_on=bad)) as app:
            first, second, third = await parked_key(app, 2, 3)
            assert await app.operations.discard("audit", KEY, event_id=first.event.id) == [first]
            assert await pending(app) == [second, third]
            bad.clear()
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(4)))
            await settled(app)
            *before, fourth = await pending(app)
            assert before == [second, third]
            assert await audited(app, "bad") == {"bad": ("opened",)}
            assert await app.operations.discard("audit", KEY, event_id=third.event.id) == [third]
            assert [each.event.id for each in await pending(app)] == [second.event.id, fourth.event.id]
            assert await app.operations.retry("audit", KEY) == []
            assert await audited(app, "bad") == {"bad": ("opened", "2", "4")}
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(5)))
            await settled(app)
            assert await audited(app, "bad") == {"bad": ("opened", "2", "4", "5")}

    async def test_a_pending_retry_passes_to_the_next_event(self, new_store: NewStore) -> None:
        """If an event with a pending retry is discarded, the next event of its key is handled at that time."""
        dial, bad = Dial(), ["bad"]
        async with new_store([]) as store, dialled(store, dial, failing(bad)) as app:
            await deposits(app, "bad")
            for amount in (2, 3):
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
            await passes(app, "good", "fine")
            first, second, third = await pending(app)
            await app.operations.discard("audit", KEY, event_id=first.event.id)
            assert await pending(app) == [second._replace(again=first.again), third]
            bad.clear()
            dial.time += HOUR
            await settled(app)
            assert await audited(app, "bad") == {"bad": ("opened", "2", "3")}

    async def test_an_event_that_is_not_parked_is_not_discarded(self, new_store: NewStore) -> None:
        """Discarding an unknown event, an event of another key or a retried event raises an error and deletes nothing."""
        bad = ["bad", "worse"]
        async with new_store([]) as store, running(store, auditing(fail_on=bad)) as app:
            await deposits(app, "worse")
            _, first, second = await parked_key(app, 2)
            for wrong, key in ((uuid4(), KEY), (first.event.id, "account-worse")):
                with pytest.raises(LookupError, match=f"{wrong}.* is not parked"):
                    await app.operations.discard("audit", key, event_id=wrong)
            with pytest.raises(TypeError, match=r"event_id= is a UUID, as parked\(\) returns it"):
                await app.operations.discard("audit", KEY, event_id=cast(Any, str(first.event.id)))
            assert len(await pending(app)) == await parked_count(store) == 3
            bad.clear()
            await app.operations.retry("audit", KEY)
            for each in (first, second):
                with pytest.raises(LookupError, match="no event of the key is parked"):
                    await app.operations.discard("audit", KEY, event_id=each.event.id)

    async def test_of_two_operators_one_discards_an_event(self, new_store: NewStore) -> None:
        """If two operators discard the same event at the same time, one of them gets an error. Other events stay."""
        async with new_store([]) as store, running(store, auditing(fail_on=["bad"])) as app:
            first, second, third, fourth = await parked_key(app, 2, 3, 4)
            assert sorted(await self._both_discard(store, first, first)) == [False, True]
            assert await pending(app) == [second, third, fourth]
            assert await self._both_discard(store, second, third) == [True, True]
            assert await pending(app) == [fourth]
            assert await parked_count(store) == 1

    async def test_an_event_is_discarded_while_it_is_retried(self, new_store: NewStore) -> None:
        """An event is either handled or discarded, and the operator learns which. The rest of its key is handled."""
        bad, trying, go, read = ["bad"], anyio.Event(), anyio.Event(), anyio.Event()

        async def hold() -> None:
            if not bad:
                trying.set()
                await go.wait()

        async def has_read() -> None:
            read.set()
            await go.wait()

        async def start() -> None:
            await trying.wait()
            await read.wait()
            go.set()

        found: list[bool] = []
        async with (
            new_store([]) as store,
            dialled(store, Dial(), auditing(fail_on=bad, during=hold, retry=LATER)) as app,
        ):
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            first, _ = await pending(app)
            bad.clear()
            with in_time():
                async with operator(store, has_read) as other, anyio.create_task_group() as tasks:
                    tasks.start_soon(start)
                    tasks.start_soon(app.operations.retry, "audit", KEY)
                    found.append(await discarded(other, first.event.id))
            await settled(app)
            expected = ("opened", "2") if found == [True] else ("opened", "1", "2")
            assert await audited(app, "bad") == {"bad": expected}
            assert await pending(app) == []
            assert await parked_count(store) == 0

    async def _both_discard(self, store: WriteStore, one: ParkedEvent, two: ParkedEvent) -> list[bool]:
        """Let two operators discard an event each, after both have read the parked events."""
        arrived, both = list[bool](), anyio.Event()

        async def meet() -> None:
            arrived.append(True)
            if len(arrived) == 2:
                both.set()
            await both.wait()

        results: dict[int, bool] = {}

        async def work(number: int, app: Application, event: ParkedEvent) -> None:
            results[number] = await discarded(app, event.event.id)

        with in_time():
            async with (
                operator(store, meet) as first,
                operator(store, meet) as second,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(work, 0, first, one)
                tasks.start_soon(work, 1, second, two)
        return [results[0], results[1]]
