"""The event log as operators browse it: filters, pages in both directions, and new events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import anyio

from twofold import Application, EventRecord

from .._domain.audit import DepositEach, auditing, deposits, running
from .._domain.bank import Deposit, Deposited, Open
from .._tools.in_time import in_time
from .._tools.opened import NewStore


async def pages(app: Application, *, newest_first: bool = False, **options: Any) -> AsyncIterator[EventRecord]:
    """Iterate over the events of all pages."""
    place: dict[str, Any] = {}
    while True:
        page = await app.operations.events(newest_first=newest_first, **options, **place)
        for event in page.events:
            yield event
        if page.next is None:
            return
        place = {"before" if newest_first else "after": page.next}


class Browsing:
    """The cases of `SubscriptionSuite` about browsing the log."""

    async def test_pages_cover_the_log_in_both_directions(self, new_store: NewStore) -> None:
        """Pages of any size, and searches of any length, return each event once, in order, or in reverse order."""
        async with new_store([]) as store, running(store, auditing(), work=False) as app:
            await deposits(app, *"abcde")
            every = [event.id for event in (await store.log.read_all()).events]
            several: list[dict[str, Any]] = [{}, {"limit": 3}, {"search": 1}, {"limit": 2, "search": 3}, {"limit": 5}]
            for options in several:
                assert [each.id async for each in pages(app, **options)] == every
                assert [each.id async for each in pages(app, newest_first=True, **options)] == every[::-1]

    async def test_filters_select_events(self, new_store: NewStore) -> None:
        """Events are found by type, stream, correlation id, time and position."""
        async with new_store([]) as store, running(store, auditing(), work=False) as app:
            await deposits(app, "a", "b")
            async with app.session() as session:
                await session.dispatch(DepositEach(account_id="a", amounts=(7, 8)))
            found = [each async for each in pages(app, types=[Deposited])]
            assert [each.payload["amount"] for each in found] == ["1", "1", "7", "8"]
            last = found[-1]
            for newest_first in (False, True):
                same = [
                    each async for each in pages(app, correlation_id=last.correlation_id, newest_first=newest_first)
                ]
                assert {each.id for each in same} == {each.id for each in found[2:]}
                streams = [each async for each in pages(app, stream=last.stream, limit=3, newest_first=newest_first)]
                assert [each.version for each in streams] == ([4, 3, 2, 1] if newest_first else [1, 2, 3, 4])
            names = [each.name async for each in pages(app, types=["bank.opened"], after=found[0].position)]
            assert names == ["bank.opened"]
            found = [each async for each in pages(app, since=last.time, until=last.time)]
            assert last in found
            assert {each.time for each in found} == {last.time}

    async def test_new_events_are_followed(self, new_store: NewStore) -> None:
        """An iterator returns the events after its start, and each new event of another process once, in order."""
        seen: list[Any] = []

        async def follow(app: Application, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with aclosing(app.operations.follow(types=[Deposited], after=0)) as events:
                async for event in events:
                    seen.append(event.payload["amount"])
                    if len(seen) == 1:
                        task_status.started()
                    if len(seen) == 4:
                        return

        async with new_store([]) as store, running(store, auditing(), work=False) as app:
            async with running(store, auditing(), work=False) as other:
                await deposits(app, "a")
                with in_time():
                    async with anyio.create_task_group() as tasks:
                        await tasks.start(follow, app)
                        for amount in (2, 3, 4):
                            await other.dispatch(Open(account_id=f"b{amount}"))
                            await other.dispatch(Deposit(account_id="a", amount=Decimal(amount)))
            assert seen == ["1", "2", "3", "4"]
