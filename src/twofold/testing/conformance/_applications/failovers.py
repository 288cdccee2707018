"""A log that lost its last events, as after a failover to a replica with a lag, and assigned their positions again."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from uuid import uuid4

import pytest

from twofold import Application, Router
from twofold.errors import EventsLost, TwofoldError
from twofold.ports import START, Expected, WriteStore

from .._domain.audit import ONCE, audited, auditing, deposits, running, settled
from .._domain.bank import Balance, Deposited, GetBalance, Open
from .._stores.event_log import append, event
from .._tools.in_time import until
from .._tools.opened import NewStore
from .._tools.problems import problems_of
from .._tools.restoring import Restore, TakeBackup, apart


class FailoverSuite:
    """The promises to readers and sessions after the log lost events.

    Needs the fixtures `new_store` and `take_backup`.
    """

    async def test_a_page_verifies_the_event_that_it_follows(
        self, new_store: NewStore, take_backup: TakeBackup
    ) -> None:
        """Reading after a lost event is refused, whether the log is shorter than before, as long, or longer."""
        async with new_store([]) as store:
            await append(store, "s-1", [event()])
            kept, restore = await store.log.read_all(), await take_backup(store)
            await append(store, "s-1", [event(name="suite.other"), event()])
            lost = await store.log.read_all(after=kept.last, event=kept.event)
            await restore()
            for _ in range(4):
                for names in (None, {"suite.other"}):
                    with pytest.raises(EventsLost) as caught:
                        await store.log.read_all(after=lost.last, event=lost.event, names=names)
                    found = caught.value
                    assert (found.position, found.event) == (lost.last, lost.event)
                    assert found.head == await store.log.head()
                await append(store, "s-1", [event()])
            page = await store.log.read_all(after=kept.last, event=kept.event)
            assert [each.version for each in page.events] == [2, 3, 4, 5]

    async def test_ids_are_those_of_committed_events(self, new_store: NewStore, take_backup: TakeBackup) -> None:
        """Positions without an event are left out, also those of lost events."""
        async with new_store([]) as store:
            stored = await append(store, "s-1", [event(), event()])
            positions = [START, *(each.position for each in stored)]
            assert await store.log.ids(positions) == {each.position: each.id for each in stored}
            restore = await take_backup(store)
            (lost,) = await append(store, "s-1", [event()])
            await restore()
            assert await store.log.ids([lost.position]) == {}
            assert await store.log.ids([]) == {}

    async def test_positions_are_those_of_committed_events(self, new_store: NewStore, take_backup: TakeBackup) -> None:
        """Ids without an event are left out, also those of lost events whose positions other events have."""
        async with new_store([]) as store:
            stored = await append(store, "s-1", [event(), event(), event()])
            assert await store.log.positions([uuid4(), *(each.id for each in stored[1:])]) == {
                each.id: each.position for each in stored[1:]
            }
            restore = await take_backup(store)
            (lost,) = await append(store, "s-1", [event()])
            assert await store.log.positions([lost.id]) == {lost.id: lost.position}
            await restore()
            (new,) = await append(store, "s-1", [event()])
            assert await store.log.positions([lost.id, new.id]) == {new.id: new.position}
            assert await store.log.positions([]) == {}

    async def test_the_run_changes_when_events_are_lost(self, new_store: NewStore, take_backup: TakeBackup) -> None:
        """The run of the store changes, so that data of the earlier run is not trusted."""
        async with new_store([]) as store:
            restore, before = await take_backup(store), await store.run()
            await append(store, "s-1", [event()], Expected.ANY)
            assert await store.run() == before
            await restore()
            await store.log.head()
            assert await store.run() != before

    async def test_a_projection_of_lost_events_is_reported_and_repaired(
        self, new_store: NewStore, take_backup: TakeBackup
    ) -> None:
        """A projection that handled lost events stops and reports them.

        One command rebuilds its rows without the lost events.
        """
        async with apart(new_store) as store, running(store, auditing()) as app:
            restore = await self._diverged(app, store, take_backup)
            await restore()
            await self._repaired(app)

    async def test_a_restarted_application_reports_lost_events(
        self, new_store: NewStore, take_backup: TakeBackup
    ) -> None:
        """A projection also reports lost events if the log lost them while no application ran."""
        async with apart(new_store) as store:
            async with running(store, auditing()) as app:
                restore = await self._diverged(app, store, take_backup)
            await restore()
            async with running(store, auditing()) as app:
                await self._repaired(app)

    async def test_a_session_never_misses_its_own_write(self, new_store: NewStore, take_backup: TakeBackup) -> None:
        """While the read models contain lost events, a query of a session raises `EventsLost`."""
        async with apart(new_store) as store, running(store, auditing()) as app:
            restore = await self._diverged(app, store, take_backup)
            await restore()
            session = app.session()
            for number in range(12):
                await session.dispatch(Open(account_id=f"new{number}"))
                with pytest.raises(EventsLost, match=r"realign\('balances'\)"):
                    await session.execute(GetBalance(account_id=f"new{number}"))
            await app.operations.realign()
            assert await session.execute(GetBalance(account_id="new11")) == Balance(
                account_id="new11", balance=Decimal()
            )

    async def test_a_token_of_a_lost_event_is_refused(self, new_store: NewStore, take_backup: TakeBackup) -> None:
        """A token of a lost event is refused in every session, even if another event has its position.

        Earlier tokens stay valid.
        """
        async with new_store([]) as store, running(store, auditing()) as app:
            await self._refused(app, store, take_backup)

    async def test_a_token_of_a_lost_event_is_refused_in_two_stores(
        self, new_store: NewStore, take_backup: TakeBackup
    ) -> None:
        """A token of a lost event is also refused while the read store has the rows of the lost event."""
        async with apart(new_store) as store, running(store, auditing()) as app:
            await self._refused(app, store, take_backup)

    async def test_an_event_handler_continues_after_the_given_position(
        self, new_store: NewStore, take_backup: TakeBackup
    ) -> None:
        """After `replay`, an event handler handles all events after the position.

        Its lost parked events are deleted.
        """
        handled: list[str] = []
        router = Router("handling")

        @router.event_handler(Deposited, name="watch", start="beginning", retry=ONCE)
        async def watch(found: Deposited) -> None:
            handled.append(found.account_id)
            if found.account_id == "lost":
                raise LookupError("on purpose")

        async with new_store([]) as store, running(store, router) as app:
            await deposits(app, "kept")
            await settled(app)
            restore, position = await take_backup(store), await store.log.head()
            await deposits(app, "lost", "later")
            await settled(app)
            await restore()
            await deposits(app, "new")
            await app.operations.replay("watch", after=position)
            await app.operations.realign()
            await settled(app)
            assert handled[-1] == "new"
            assert await app.operations.parked("watch") == []
            with pytest.raises(LookupError, match="the last event has position"):
                await app.operations.replay("watch", after=10**9)
            with pytest.raises(ValueError, match="'watch' without a position"):
                await app.operations.realign("watch")

    async def _diverged(self, app: Application, store: WriteStore, take_backup: TakeBackup) -> Restore:
        await deposits(app, "a", "b")
        await settled(app)
        restore = await take_backup(store)
        await deposits(app, "lost1", "lost2")
        await settled(app)
        return restore

    async def _repaired(self, app: Application) -> None:
        await deposits(app, "new")
        names = {"balances", "audit"}

        async def it_is_reported() -> bool:
            with suppress(TwofoldError):
                told = [each for each in await problems_of(app) if "EventsLost" in each]
                return all(any(name in each for each in told) for name in names)
            return False

        await until(it_is_reported, "the lost events were to be reported")
        failing = {each.name for each in await app.operations.status() if each.state == "failing"}
        assert failing == names
        with pytest.raises(TimeoutError, match="EventsLost"):
            await app.settle(timeout=0.5)
        assert set(await app.operations.realign()) == names
        await settled(app)
        assert await audited(app, "a", "b", "new", "lost1", "lost2") == {
            **dict.fromkeys(("a", "b", "new"), ("opened", "1")),
            **dict.fromkeys(("lost1", "lost2")),
        }

        async def it_is_healthy() -> bool:
            return (await app.health()).healthy

        await until(it_is_healthy, "the application was to be healthy")
        assert await app.operations.realign() == []

    async def _refused(self, app: Application, store: WriteStore, take_backup: TakeBackup) -> None:
        kept, lost = app.session(), app.session()
        await kept.dispatch(Open(account_id="kept"))
        await settled(app)
        restore = await take_backup(store)
        await lost.dispatch(Open(account_id="lost"))
        await settled(app)
        await restore()
        for account in ("other", "another"):
            for session in (lost, app.session(lost.token)):
                with pytest.raises(EventsLost, match="consistency token"):
                    await session.execute(GetBalance(account_id="lost"))
                with pytest.raises(EventsLost):
                    await session.execute_stale(GetBalance(account_id="lost"))
            with pytest.raises(EventsLost):
                await app.execute(GetBalance(account_id="lost"), after=lost.token)
            await app.dispatch(Open(account_id=account))
        await app.operations.realign()
        found = await app.execute(GetBalance(account_id="kept"), after=kept.token)
        assert found == Balance(account_id="kept", balance=Decimal())
