"""Pauses of subscriptions, as a store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from twofold.ports import Lease, Pause, ReadStore

from .._tools.opened import NewReadStore
from .leasing import LONG, divided
from .subscription_store import NAME, TIME, at

AWAY = Pause(TIME, "the mail service is away — “Grüße 🚲” " + "x" * 450)


async def pauses(store: ReadStore, subscription: str = NAME) -> list[Pause | None]:
    """Return the pause that each partition of a subscription shows."""
    return [each.pause for each in await store.subscriptions.partitions(subscription)]


class PauseSuite:
    """The promises of every store about paused subscriptions. Needs the fixture `new_store`."""

    async def test_a_pause_is_stored_until_resumed(self, new_store: NewReadStore) -> None:
        """Every partition of a paused subscription shows the pause with its time and its reason, until it is resumed."""
        async with new_store([]) as store:
            await divided(store, at(1), at(2))
            assert await pauses(store) == [None, None]
            await store.subscriptions.pause(NAME, AWAY)
            assert await pauses(store) == [AWAY, AWAY]
            await store.subscriptions.resume(NAME)
            assert await pauses(store) == [None, None]
            await store.subscriptions.resume(NAME)
            await store.subscriptions.pause(NAME, Pause(TIME))
            assert await pauses(store) == [Pause(TIME), Pause(TIME)]

    async def test_the_first_pause_stays(self, new_store: NewReadStore) -> None:
        """Pausing a paused subscription changes neither the time nor the reason."""
        async with new_store([]) as store:
            await divided(store, at(1))
            await store.subscriptions.pause(NAME, AWAY)
            await store.subscriptions.pause(NAME, Pause(TIME + timedelta(hours=1), "later"))
            assert await pauses(store) == [AWAY]

    async def test_a_pause_outlives_the_partitions(self, new_store: NewReadStore) -> None:
        """A pause may come before the first partition, and stays when the subscription is divided again."""
        async with new_store([]) as store:
            assert await store.subscriptions.paused(NAME) is None
            await store.subscriptions.pause(NAME, AWAY)
            assert (await pauses(store), await store.subscriptions.paused(NAME)) == ([], AWAY)
            leases: Sequence[Lease] = ()
            for count in (1, 3, 2):
                await divided(store, *[at(count)] * count, leases=leases)
                assert (await pauses(store), await store.subscriptions.paused(NAME)) == ([AWAY] * count, AWAY)
                leases = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=9)
                assert len(leases) == count

    async def test_one_subscription_is_paused(self, new_store: NewReadStore) -> None:
        """Other subscriptions are neither paused nor resumed, also if their names differ in case or by a space."""
        others = "Mail", "mail ", "mäil", "mail.a"
        async with new_store([]) as store:
            for name in (NAME, *others):
                await divided(store, at(1), of=name)
            await store.subscriptions.pause(NAME, AWAY)
            assert [await pauses(store, name) for name in others] == [[None]] * len(others)
            for name in others:
                await store.subscriptions.pause(name, Pause(TIME, name))
                await store.subscriptions.resume(name)
                assert await store.subscriptions.paused(name) is None
            assert (await pauses(store), await store.subscriptions.paused(NAME)) == ([AWAY], AWAY)
