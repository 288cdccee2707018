"""Operators replay an event handler, or let it skip ahead: it continues after a position or a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from twofold import Application, Router
from twofold.ports import Position, WriteStore

from .._domain.audit import ONCE, audited, auditing, running, settled
from .._domain.bank import Deposit, Deposited, Open
from .._domain.work import LONG
from .._tools.dial import Dial
from .._tools.in_time import in_time
from .._tools.opened import NewStore
from .discards import operator
from .pending_retries import dialled


def watching(
    seen: list[str],
    *,
    fail_on: Collection[str] = (),
    during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
    partitions: int = 1,
) -> Router:
    """Return a router with the event handler "watch", which starts at the beginning.

    Args:
        seen: collects each handled deposit, as "a 1".
        fail_on: the deposits on which the handler fails.
        during: awaited in the handler.
        partitions: the number of partitions.
    """
    router = Router("watching")

    @router.event_handler(Deposited, name="watch", start="beginning", retry=ONCE, partitions=partitions)
    async def watch(event: Deposited) -> None:
        entry = f"{event.account_id} {event.amount}"
        seen.append(entry)
        await during()
        if entry in fail_on:
            raise LookupError(entry)

    return router


async def deposits_of(app: Application, store: WriteStore, *amounts: int, account: str = "a") -> list[Position]:
    """Deposit amounts in an account; return the positions of their events."""
    for amount in amounts:
        await app.dispatch(Deposit(account_id=account, amount=Decimal(amount)))
    events = (await store.log.read_all(limit=1000)).events
    return [each.position for each in events if each.stream == f"account-{account}"][-len(amounts) :]


class Replays:
    """The cases of `SubscriptionSuite` about replays."""

    async def test_an_event_handler_is_replayed(self, new_store: NewStore) -> None:
        """The events after the position are handled again, in order and once. Other subscriptions do not change."""
        for partitions in (1, 3):
            seen = list[str]()
            router = watching(seen, partitions=partitions)
            async with new_store([]) as store, running(store, auditing(), router) as app:
                for account in "abc":
                    await app.dispatch(Open(account_id=account))
                (_, after, _, _) = await deposits_of(app, store, 1, 2, 3, 4)
                for account in "bc":
                    await deposits_of(app, store, 1, 2, account=account)
                await settled(app)
                assert len(seen) == 8
                seen.clear()
                assert await app.operations.replay("watch", after=after) == after
                await settled(app)
                assert {account: [each for each in seen if each[0] == account] for account in "abc"} == {
                    "a": ["a 3", "a 4"], "b": ["b 1", "b 2"], "c": ["c 1", "c 2"],
                }  # fmt: skip
                assert await audited(app, "a") == {"a": ("opened", "1", "2", "3", "4")}
                await deposits_of(app, store, 5)
                await settled(app)
                assert seen[6:] == ["a 5"]

    async def test_an_event_is_handled_once_after_an_operator_changed_the_checkpoint(self, new_store: NewStore) -> None:
        """A handler that waits for events reads its checkpoint again before it handles the next event."""
        seen = list[str]()
        async with new_store([]) as store, running(store, watching(seen, fail_on=["a 1"])) as app:
            for account in "ab":
                await app.dispatch(Open(account_id=account))
            await deposits_of(app, store, 1, 2)
            await settled(app)
            parked, later = await app.operations.parked("watch")
            await app.operations.discard("watch", "account-a", event_id=parked.event.id)
            await deposits_of(app, store, 1, account="b")
            await settled(app)
            await app.operations.retry("watch", "account-a")
            await settled(app)
            await app.operations.replay("watch", after=await store.log.head())
            await deposits_of(app, store, 2, account="b")
            await settled(app)
            assert later.attempts == 0
            assert seen == ["a 1", "a 1", "b 1", "a 2", "b 2"]

    async def test_an_event_handler_skips_ahead(self, new_store: NewStore) -> None:
        """The events up to a later position are never handled. It may be set before the handler has ever run."""
        seen = list[str]()
        async with new_store([]) as store:
            async with running(store, watching(seen), work=False) as app:
                await app.dispatch(Open(account_id="a"))
                _, after, _ = await deposits_of(app, store, 1, 2, 3)
                await app.operations.replay("watch", after=after)
            async with running(store, watching(seen)) as app:
                await settled(app)
                assert seen == ["a 3"]
                for position, expected in ((0, ["a 1", "a 2", "a 3"]), (await store.log.head(), [])):
                    seen.clear()
                    await app.operations.replay("watch", after=position)
                    await settled(app)
                    assert seen == expected

    async def test_an_event_handler_is_replayed_from_a_time(self, new_store: NewStore) -> None:
        """The events after a time are handled again, those at the very time are not."""
        dial, seen = Dial(), list[str]()
        start = dial.time
        async with new_store([]) as store, dialled(store, dial, watching(seen)) as app:
            await app.dispatch(Open(account_id="a"))
            for amount in range(1, 6):
                dial.time = start + timedelta(hours=amount)
                await deposits_of(app, store, amount)
            await settled(app)
            for hours, expected in ((-1.0, "12345"), (3.0, "45"), (3.5, "45"), (4.999, "5"), (5.0, "")):
                seen.clear()
                await app.operations.replay("watch", after=start + timedelta(hours=hours))
                await settled(app)
                assert seen == [f"a {amount}" for amount in expected]

    async def test_parked_events_before_the_position_stay(self, new_store: NewStore) -> None:
        """Parked events after the position are handled again. Earlier ones stay parked, with the later ones of their key."""
        seen, bad = list[str](), ["early 1", "late 2"]
        async with new_store([]) as store, running(store, watching(seen, fail_on=bad)) as app:
            for account in ("early", "late"):
                await app.dispatch(Open(account_id=account))
            await deposits_of(app, store, 1, account="early")
            (after,) = await deposits_of(app, store, 1, account="late")
            await deposits_of(app, store, 2, account="late")
            await deposits_of(app, store, 2, account="early")
            await settled(app)
            assert len(await app.operations.parked("watch")) == 3
            bad.clear()
            seen.clear()
            await app.operations.replay("watch", after=after)
            await settled(app)
            assert seen == ["late 2"]
            assert [each.key for each in await app.operations.parked("watch")] == ["account-early"] * 2
            assert await app.operations.retry("watch", "account-early") == []
            assert seen == ["late 2", "early 1", "early 2"]
            assert await self._parked(store) == 0

    async def test_a_running_handler_is_replayed(self, new_store: NewStore) -> None:
        """A replay by another process rolls the running handler back: every event after the position is handled again."""
        seen, held, go = list[str](), anyio.Event(), anyio.Event()

        async def hold() -> None:
            if seen == ["a 1", "a 2"]:
                held.set()
                await go.wait()

        async with (
            new_store([]) as store,
            running(store, watching(seen, during=hold), lease=LONG) as app,
            running(store, watching(seen), work=False) as other,
        ):
            await app.dispatch(Open(account_id="a"))
            await deposits_of(app, store, 1, 2, 3)
            with in_time():
                await held.wait()
                await other.operations.replay("watch", after=0)
            go.set()
            await settled(app)
            assert seen == ["a 1", "a 2", "a 1", "a 2", "a 3"]

    async def test_an_event_is_discarded_while_its_handler_is_replayed(self, new_store: NewStore) -> None:
        """If an operator discards an event during a replay, the number of parked events stays right."""
        seen, bad, read, go = list[str](), ["early 1"], anyio.Event(), anyio.Event()

        async def hold() -> None:
            read.set()
            await go.wait()

        async with new_store([]) as store, running(store, watching(seen, fail_on=bad)) as app:
            await app.dispatch(Open(account_id="early"))
            await deposits_of(app, store, 1, 2, account="early")
            after = await store.log.head()
            await settled(app)
            first, second = await app.operations.parked("watch")
            with in_time():
                async with operator(store, hold, watching(seen)) as other, anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: other.operations.replay("watch", after=after))
                    await read.wait()
                    await app.operations.discard("watch", first.key, event_id=first.event.id)
                    go.set()
            assert await app.operations.parked("watch") == [second]
            assert await self._parked(store) == 1

    async def test_a_wrong_replay_changes_nothing(self, new_store: NewStore) -> None:
        """Unknown subscriptions, projections, and positions and times that cannot be used raise errors."""
        seen = list[str]()
        async with new_store([]) as store, running(store, auditing(), watching(seen)) as app:
            await app.dispatch(Open(account_id="a"))
            await deposits_of(app, store, 1)
            await settled(app)
            head = await store.log.head()
            wrong: Sequence[tuple[str, Any, type[Exception], str]] = (
                ("mistyped", 0, LookupError, "no subscription 'mistyped'. Subscriptions: .*watch"),
                ("audit", 0, ValueError, r"cannot replay the projection 'audit'.*rebuild\('audit'\)"),
                ("watch", head + 1, LookupError, f"after position {head + 1}: the last event has position {head}"),
                ("watch", -1, ValueError, r"with after=-1 \(int\): after must be an int at least 0"),
                ("watch", cast(Any, "4"), TypeError, r"after '4' \(str\): pass a position \(int\) or a datetime"),
                ("watch", datetime(2024, 1, 1), ValueError, "the time has no time zone"),  # noqa: DTZ001 -- refused
                (
                    "watch",
                    app.clock.now() + timedelta(hours=1),
                    ValueError,
                    "the time is in the future .*would be skipped",
                ),
            )
            for name, after, error, said in wrong:
                with pytest.raises(error, match=said):
                    await app.operations.replay(name, after=after)
            checkpoint = await store.subscriptions.checkpoint("watch")
            assert checkpoint is not None
            assert checkpoint.position == head
            assert seen == ["a 1"]

    async def _parked(self, store: WriteStore) -> int:
        checkpoint = await store.subscriptions.checkpoint("watch")
        return checkpoint.parked if checkpoint is not None else 0
