"""Projections whose rows a store does not take: their events are set aside, and others flow."""

from __future__ import annotations

from twofold import ReadModel, Router, on

from .._domain.audit import ONCE, Audit, DepositEach, audited, auditing, deposits, running, settled
from .._domain.bank import Deposited, Opened
from .._tools.opened import NewStore

BAD = "\ud800"
"""Half of a surrogate pair. No store accepts it."""


def spoiling(*, looking: bool) -> Router:
    """Return a module whose projection "audit" puts rows that cannot be kept of the deposits of "bad".

    Args:
        looking: count the rows in each handler, which writes those of the events before.
    """
    router = auditing()
    router._registered.projections.clear()

    @router.projection("audit", retry=ONCE)
    class Spoiling:
        def __init__(self, rows: ReadModel[Audit]) -> None:
            self.rows = rows

        @on(Opened, Deposited)
        async def happened(self, event: Opened | Deposited) -> None:
            if looking:
                await self.rows.count()
            row = await self.rows.get(event.account_id)
            entry = f"{event.amount}" if isinstance(event, Deposited) else "opened"
            if event.account_id == "bad" and entry != "opened":
                entry = BAD
            await self.rows.put(Audit(account_id=event.account_id, seen=(*(row.seen if row else ()), entry)))

    return router


class SubscriptionRows:
    """The cases of `SubscriptionSuite` about rows that cannot be kept."""

    async def test_a_row_that_cannot_be_kept_parks_its_event(self, new_store: NewStore) -> None:
        """The event that made the row is parked with what follows for its key, wherever it stands; others flow."""
        await self._spoil(new_store, looking=False)

    async def test_a_row_that_another_event_writes_parks_its_own(self, new_store: NewStore) -> None:
        """So it is when the row is written because the handler of a later event looks for rows."""
        await self._spoil(new_store, looking=True)

    async def _spoil(self, new_store: NewStore, *, looking: bool) -> None:
        good = [f"good{number}" for number in range(20)]
        async with new_store([]) as store:
            async with running(store, spoiling(looking=looking), work=False) as app:
                await deposits(app, *good[:9], "bad", *good[9:])
                await app.dispatch(DepositEach(account_id="bad", amounts=(2, 3)))
                await app.dispatch(DepositEach(account_id=good[0], amounts=(2,)))
            async with running(store, spoiling(looking=looking)) as app:
                await settled(app)
                parked = await app.operations.parked("audit")
                assert [(each.key, each.event.version, each.attempts) for each in parked] == [
                    ("account-bad", 2, 2),
                    ("account-bad", 3, 0),
                    ("account-bad", 4, 0),
                ]
                assert "NotStorable" in parked[0].reason
                assert await audited(app, "bad") == {"bad": ("opened",)}
                expected = dict.fromkeys(good, ("opened", "1"))
                assert await audited(app, *good) == {**expected, good[0]: ("opened", "1", "2")}
                assert [each.state for each in await app.operations.status()] == ["running", "running"]
            async with running(store, auditing()) as app:
                assert await app.operations.retry("audit", key="account-bad") == []
                assert await audited(app, "bad") == {"bad": ("opened", "1", "2", "3")}
