"""Subscriptions that an operator pauses and resumes, while several processes run them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application, SubscriptionStatus
from twofold.errors import ReadNotReady

from .._domain.audit import settled
from .._domain.bank import Deposit
from .._domain.work import (
    ACCOUNTS,
    LONG,
    GetWork,
    Work,
    deposit,
    done,
    everywhere,
    mailing,
    opened,
    owners,
    worker,
    working,
)
from .._tools.hooked import Call, Hooked
from .._tools.in_time import CEILING, in_time, until
from .._tools.opened import NewStore
from .._tools.watched import LOOK, watched

WHY = "the index is being moved"


async def paused(app: Application, subscription: str = "work") -> None:
    """Pause a subscription and wait until no worker runs it."""
    with in_time():
        await app.operations.pause(subscription, reason=WHY, timeout=CEILING)


async def status_of(app: Application, subscription: str = "work") -> SubscriptionStatus:
    """Return the status of a subscription in a process."""
    return next(each for each in await app.operations.status() if each.name == subscription)


class WorkerPauses:
    """The cases of `WorkerSuite` about paused subscriptions."""

    async def test_a_paused_subscription_stands_still(self, new_store: NewStore) -> None:
        """No worker handles events of a paused subscription, also after a restart. It resumes where it has stopped."""
        rounds = 0

        async def count(partitions: Call) -> Any:
            nonlocal rounds
            rounds += 1
            return await partitions()

        async with opened(new_store) as (store, front):
            async with worker(store, working(partitions=2)) as first:
                await deposit(first, 1)
                await settled(first)
                await paused(first)
                await deposit(front, 2)
                assert (await owners(store), await done(first)) == ({}, everywhere(1))
            counted: Any = Hooked(store, "subscriptions.partitions", count)
            async with worker(counted, working(partitions=2)) as second:
                began = rounds
                await until(lambda: rounds > began + 4)  # a worker would have claimed and handled something
                assert (await owners(store), await done(second)) == ({}, everywhere(1))
                assert await second.operations.resume("work")
                await settled(second)
                assert await done(second) == everywhere(1, 2)

    async def test_another_process_pauses(self, new_store: NewStore) -> None:
        """A process without workers pauses and resumes those of other processes, and every process shows the pause."""
        async with opened(new_store) as (store, front), worker(store) as working_one:
            await settled(front)
            await paused(front)
            before = await store.now()
            for app in (front, working_one):
                status, health = await status_of(app), await app.health()
                assert status.state == "paused"
                assert status.pause is not None
                assert status.pause.since <= before
                assert (status.pause.reason, health.problems) == (WHY, ())
                assert [note.code for note in health.notes if note.subject == "work" and WHY in note.text] == ["paused"]
            await deposit(front, 1)
            assert await done(front) == {}
            assert [await front.operations.resume("work"), await front.operations.resume("work")] == [True, False]
            await settled(front)
            assert (await status_of(front)).pause is None
            assert await done(front) == everywhere(1)

    async def test_a_pause_waits_for_the_current_event(self, new_store: NewStore) -> None:
        """A handler that runs when its subscription is paused finishes. The next event is handled after `resume`."""
        reached, go, looks = anyio.Event(), anyio.Event(), 0
        sent: list[tuple[str, int]] = []

        async def slowly() -> None:
            reached.set()
            await go.wait()

        async def note(point: str, about: str) -> None:
            nonlocal looks
            looks += (point, about) == (LOOK, "mail")

        async with (
            opened(new_store) as (store, front),
            worker(watched(store, note), mailing(sent, during=slowly), lease=3.0) as app,
        ):
            await deposit(front, 1, accounts=ACCOUNTS[:2])
            await reached.wait()
            with pytest.raises(TimeoutError, match="'mail' is stored, but a worker was still processing"):
                await app.operations.pause("mail", reason=WHY, timeout=0)
            began = looks
            await until(lambda: looks > began + 1, seconds=CEILING)  # the worker knows of the pause
            go.set()
            await paused(app, "mail")
            assert sent == [(ACCOUNTS[0], 1)]
            await app.operations.resume("mail")
            await settled(app)
            assert sent == [(account, 1) for account in ACCOUNTS[:2]]

    async def test_a_query_does_not_wait_for_a_paused_projection(self, new_store: NewStore) -> None:
        """A query whose session wrote during a pause raises `ReadNotReady` with the reason. A stale answer is possible."""
        query = GetWork(account_id=ACCOUNTS[0])
        async with opened(new_store) as (store, front), worker(store) as app:
            await settled(front)
            await paused(front)
            await deposit(front, 1)
            sessions = front.session(), app.session()
            for session in sessions:
                await session.dispatch(Deposit(account_id=ACCOUNTS[0], amount=Decimal(2)))
                with in_time(), pytest.raises(ReadNotReady, match=WHY) as caught:
                    await session.execute(query, timeout=LONG)
                assert (caught.value.projection, caught.value.paused) == ("work", True)
                assert (await session.execute_stale(query)).value is None
            await front.operations.resume("work")
            assert await sessions[1].execute(query, timeout=CEILING) == Work(account_id=ACCOUNTS[0], seen=(1, 2, 2))
