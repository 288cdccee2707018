"""Subscriptions of a running application: projections and event handlers that read the event log."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from twofold import ReadModel, Router, on
from twofold._definitions.retry import Start
from twofold._subscriptions.partition_runner import BATCH
from twofold.errors import ForeignLog
from twofold.ports import START, Checkpoint, WriteStore

from .._domain.audit import (
    Audit,
    DepositEach,
    EmitUnwanted,
    GetAudit,
    audited,
    auditing,
    auditing_only,
    deposits,
    running,
    settled,
)
from .._domain.bank import Balance, Deposit, Deposited, GetBalance, Open, Opened, application
from .._tools.capabilities import Capabilities
from .._tools.in_time import WHOLE_TEST, in_time
from .._tools.opened import NewStore, writing
from .._tools.watched import READ, watched
from .attempts import Attempts
from .base_classes import BaseClasses
from .browsing import Browsing
from .discards import Discards
from .edits import Edits
from .pending_retries import PendingRetries
from .replays import Replays
from .subscription_failures import SubscriptionFailures
from .subscription_rows import SubscriptionRows


class SubscriptionSuite(
    SubscriptionFailures, PendingRetries, Attempts, Discards, Edits, Replays, SubscriptionRows, BaseClasses, Browsing
):
    """The promises of a store to subscriptions. Needs the fixtures `new_store` and `capabilities`."""

    async def test_history_then_live_in_order(self, new_store: NewStore) -> None:
        """A projection that starts late handles the history and then new events, in order and each once."""
        old, new = [f"old{number}" for number in range(20)], [f"new{number}" for number in range(20)]
        async with new_store([]) as store:
            async with running(store, work=False) as app:
                await deposits(app, *old)
            seen: list[str] = []
            async with running(store, auditing(seen=seen)) as app:
                await deposits(app, *new)
                await settled(app)
                assert await audited(app, *old, *new) == dict.fromkeys([*old, *new], ("opened", "1"))
        assert seen == [text for name in (*old, *new) for text in (f"{name} opened", f"{name} 1")]

    async def test_a_history_of_several_pages(self, new_store: NewStore) -> None:
        """A history of several batches is handled in order, each event once."""
        amounts = tuple(range(2 * BATCH + 9))
        async with new_store([]) as store:
            async with running(store, auditing(), work=False) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(DepositEach(account_id="a", amounts=amounts))
            async with running(store, auditing()) as app:
                await settled(app)
                assert await audited(app, "a") == {"a": ("opened", *map(str, amounts))}

    async def test_a_restart_goes_on(self, new_store: NewStore) -> None:
        """A restarted application handles each event once, with and without new events."""
        async with new_store([]) as store:
            async with running(store, auditing()) as app:
                await deposits(app, "a")
                await settled(app)
            async with running(store, auditing()) as app:
                await settled(app)
            async with running(store, auditing()) as app:
                await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
                await settled(app)
                assert await audited(app, "a") == {"a": ("opened", "1", "2")}
                assert await app.execute(GetBalance(account_id="a")) == Balance(account_id="a", balance=Decimal(3))

    async def test_an_event_handler_starts_at_the_given_position(self, new_store: NewStore) -> None:
        """An event handler starts now, at the beginning or after a position, as configured.

        A restart does not repeat this choice.
        """
        seen: dict[str, list[str]] = {"now": [], "beginning": [], "position": []}
        async with new_store([]) as store:
            async with running(store, work=False) as app:
                await app.dispatch(Open(account_id="a"))
                position = await store.log.head()
                await app.dispatch(Open(account_id="b"))
            router = Router("handlers")
            starts: dict[str, Start] = {"now": "now", "beginning": "beginning", "position": position}
            for name, start in starts.items():

                @router.event_handler(Opened, name=name, start=start)
                async def react(event: Opened, name: str = name) -> None:
                    seen[name].append(event.account_id)

            async with running(store, router) as app:
                await app.dispatch(Open(account_id="c"))
                await settled(app)
            async with running(store, router) as app:
                await settled(app)
        assert seen == {"now": ["c"], "beginning": ["a", "b", "c"], "position": ["b", "c"]}

    async def test_a_page_that_crosses_the_end_of_a_replay(self, new_store: NewStore) -> None:
        """An event handler runs for no event before its start, and for every event after it.

        One start is the end of the log, and one lies between the events of one commit. All events are read in one
        batch.
        """
        seen: dict[str, list[int]] = {"now": [], "within": []}
        async with new_store([]) as store:
            async with running(store, auditing(), work=False) as app:
                await app.dispatch(Open(account_id="a"))
                await app.dispatch(DepositEach(account_id="a", amounts=(1, 2, 3, 4)))
            within = [event.position async for event in store.log.read("account-a")][2]
            router = auditing()
            starts: dict[str, Start] = {"now": "now", "within": within}
            for name, start in starts.items():

                @router.event_handler(Deposited, name=name, start=start)
                async def react(event: Deposited, name: str = name) -> None:
                    seen[name].append(int(event.amount))

            async with running(store, router, work=False) as app:
                await app.dispatch(DepositEach(account_id="a", amounts=(5, 6)))
            async with running(store, router) as app:
                await settled(app)
                assert await audited(app, "a") == {"a": ("opened", "1", "2", "3", "4", "5", "6")}
        assert seen == {"now": [5, 6], "within": [3, 4, 5, 6]}

    async def test_pages_without_a_match_are_passed(self, new_store: NewStore) -> None:
        """A subscription reads past several batches without a matching event, between its events and after them."""
        async with new_store([]) as store:
            async with running(store, auditing(), work=False) as app:
                await deposits(app, "a")
                await app.dispatch(EmitUnwanted(number=2 * BATCH + 9))
                await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
                await app.dispatch(EmitUnwanted(number=BATCH + 9))
            async with running(store, auditing()) as app:
                await settled(app)
                assert await audited(app, "a") == {"a": ("opened", "1", "2")}
                assert {each.lag for each in await app.operations.status()} == {0}

    async def test_filtered_events_move_the_checkpoint(self, new_store: NewStore) -> None:
        """Events that a subscription does not handle also move its checkpoint, with and without events that it handles."""
        for accounts in ("", "a"):
            async with new_store([]) as store:
                async with running(store, auditing(), work=False) as app:
                    await deposits(app, *accounts)
                    await app.dispatch(EmitUnwanted(number=3))
                await self._look_three_times(store)

    async def test_the_status_tells_how_far_behind(self, new_store: NewStore) -> None:
        """The lag of a subscription that never ran is the number of events.

        It is 0 after the subscription has caught up.
        """
        async with new_store([]) as store:
            async with running(store, work=False) as app:
                await deposits(app, "a", "b")
                (status,) = await app.operations.status()
                assert (status.name, status.position, status.lag, status.parked) == ("balances", START, 4, 0)
            async with running(store) as app:
                await settled(app)
                (status,) = await app.operations.status()
                assert (status.position, status.lag, status.parked) == (await store.log.head(), 0, 0)

    async def test_an_inline_projection_is_committed_with_the_command(
        self, new_store: NewStore, capabilities: Capabilities
    ) -> None:
        """Inline projections contain the rows of a command when it returns, and those of the history.

        If one fails, the command fails.
        """
        if not capabilities.inline:
            pytest.skip("rows and events are in two stores")
        router = Router("inline")

        @router.projection("inline", mode="inline")
        class Inline:
            def __init__(self, rows: ReadModel[Audit]) -> None:
                self.rows = rows

            @on(Opened)
            async def opened(self, event: Opened) -> None:
                if event.account_id == "bad":
                    raise LookupError("bad")
                await self.rows.put(Audit(account_id=event.account_id))

        @router.query_handler(GetAudit, reads="inline")
        async def get_audit(query: GetAudit, rows: ReadModel[Audit]) -> Audit | None:
            return await rows.get(query.account_id)

        async with new_store([]) as store:
            async with running(store, work=False) as app:
                await app.dispatch(Open(account_id="old"))
            for new in "ab":
                async with running(store, router, work=False) as app, app.session() as session:
                    assert await session.execute(GetAudit(account_id="old")) is not None
                    assert await app.execute(GetAudit(account_id=new)) is None
                    await session.dispatch(Open(account_id=new))
                    assert await session.execute(GetAudit(account_id=new), timeout=0) is not None
                    with pytest.raises(LookupError):
                        await session.dispatch(Open(account_id="bad"))
            assert [event async for event in store.log.read("account-bad")] == []

    async def test_a_checkpoint_of_another_log_is_recognised(self, new_store: NewStore) -> None:
        """An application does not start with checkpoints of another log."""
        async with new_store([]) as store:
            app = await application(store)
            async with writing(store) as transaction:
                await transaction.checkpoints.advance("balances", expected=None, to=Checkpoint(START, "another log"))
            with pytest.raises(ForeignLog):
                async with app:
                    pass

    async def test_an_application_is_entered_and_left_in_different_tasks(self, new_store: NewStore) -> None:
        """An application can be opened in one task and closed in another."""
        async with new_store([]) as store:
            app = await application(store)
            with in_time(WHOLE_TEST):
                async with anyio.create_task_group() as group:
                    group.start_soon(app.__aenter__)
                await app.dispatch(Open(account_id="a"))
                await settled(app)
                assert await app.execute(GetBalance(account_id="a")) is not None
                async with anyio.create_task_group() as group:
                    group.start_soon(app.__aexit__, None, None, None)

    async def _look_three_times(self, store: WriteStore) -> None:
        """Let a subscription read the log three times, and check that it has passed every event."""
        looks = 0
        third = anyio.Event()

        async def look(point: str, about: str) -> None:
            nonlocal looks
            looks += point == READ
            if looks == 3:
                third.set()

        async with auditing_only(watched(store, look)) as app:
            await third.wait()
            (status,) = await app.operations.status()
            assert (status.position, status.lag) == (await store.log.head(), 0)
