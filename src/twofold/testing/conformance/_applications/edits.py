"""Parked events whose payload an operator replaces, and retries and discards of many keys."""

from __future__ import annotations

from decimal import Decimal

import pytest

from twofold import Application
from twofold.ports import ParkedEvent

from .._domain.audit import ONCE, audited, auditing, deposits, running, settled
from .._domain.bank import Deposit
from .._tools.in_time import CEILING, in_time
from .._tools.opened import NewStore


async def first_parked(app: Application) -> ParkedEvent:
    """Return the first parked event of "audit"."""
    return (await app.operations.parked("audit"))[0]


class Edits:
    """The cases of `SubscriptionSuite` about edits, and about retries and discards by the class of an error."""

    async def test_an_edited_event_is_handled_with_its_new_payload(self, new_store: NewStore) -> None:
        """The subscription handles the new payload at the next retry. Other subscriptions have handled the original."""
        failing = ["a"]
        async with new_store([]) as store, running(store, auditing(fail_on=failing, retry=ONCE)) as app:
            await deposits(app, "a")
            await settled(app)
            event = await first_parked(app)
            shown = await app.operations.show("audit", event.key, event.event.id)
            assert (shown.error, shown.payload["amount"]) == ("LookupError", "1")
            failing.clear()
            payload = {**shown.payload, "amount": "77"}
            edited = await app.operations.edit("audit", event.key, event.event.id, payload, by="Zoë", reason="a typo")
            assert await app.operations.parked("audit", key=event.key, limit=1) == [edited]
            with in_time():
                assert await app.operations.retry("audit", event.key, timeout=CEILING) == []
            assert ("77" in str(await audited(app, "a")), edited.edit and edited.edit[1:]) == (True, ("Zoë", "a typo"))
            (stored,) = [each async for each in store.log.read(event.event.stream) if each.id == event.event.id]
            assert stored == event.event

    async def test_a_wrong_payload_is_refused(self, new_store: NewStore) -> None:
        """A payload that the class of the event refuses changes nothing."""
        async with new_store([]) as store, running(store, auditing(fail_on=["a"], retry=ONCE)) as app:
            await deposits(app, "a")
            await settled(app)
            event = await first_parked(app)
            for wrong in ({}, {"account_id": "a", "amount": "much"}):
                with pytest.raises(ValueError, match="refuses the payload"):
                    await app.operations.edit("audit", event.key, event.event.id, wrong)
            assert await first_parked(app) == event

    async def test_keys_are_retried_by_error(self, new_store: NewStore) -> None:
        """All keys that one class of errors has parked are retried in one call. Keys of other errors stay."""
        failing = ["a", "b", "c"]
        async with new_store([]) as store, running(store, auditing(fail_on=failing, retry=ONCE)) as app:
            await deposits(app, *failing)
            await settled(app)
            assert await app.operations.retry("audit", error="KeyError") == []
            parked = await app.operations.parked("audit", error="LookupError")
            failing.remove("a")
            with in_time():
                left = await app.operations.retry("audit", error="LookupError", timeout=CEILING)
            assert {each.key for each in parked} - {each.key for each in left} == {"account-a"}
            assert {each.key for each in left} == {"account-b", "account-c"}

    async def test_events_are_discarded_by_error(self, new_store: NewStore) -> None:
        """The events that one class of errors has parked are discarded. Events that wait behind them stay."""
        async with new_store([]) as store, running(store, auditing(fail_on=["a", "b"], retry=ONCE)) as app:
            await deposits(app, "a", "b")
            await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
            await settled(app)
            waiting = await app.operations.parked("audit", error="")
            assert await app.operations.discard("audit", error="KeyError") == []
            gone = await app.operations.discard("audit", error="LookupError")
            assert {each.key for each in gone} == {"account-a", "account-b"}
            assert await app.operations.parked("audit") == waiting

    async def test_parked_events_are_listed_in_pages(self, new_store: NewStore) -> None:
        """A page continues after the last event of the previous page, also by key."""
        async with new_store([]) as store, running(store, auditing(fail_on=["a", "b"], retry=ONCE)) as app:
            await deposits(app, "a", "b")
            for account in ("b", "a"):
                await app.dispatch(Deposit(account_id=account, amount=Decimal(2)))
            await settled(app)
            every = list(await app.operations.parked("audit"))
            pages, after = list[list[ParkedEvent]](), None
            while page := await app.operations.parked("audit", after=after, limit=2):
                pages.append(list(page))
                after = page[-1].event.position
            assert [each for page in pages for each in page] == every
            assert [len(page) for page in pages] == [2, 2]
