"""Projections whose rows the store refuses when they are written: their events are parked, and other keys continue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twofold import ReadModel, Router, View, on
from twofold.errors import NotStorable
from twofold.ports import RowChange

from .._domain.audit import ONCE, Audit, DepositEach, audited, auditing, deposits, running, settled
from .._domain.bank import Deposited, Opened
from .._tools.opened import NewStore
from .._tools.proxy import Proxy

BAD = "refused"
"""An entry that the core accepts and the store refuses."""


class Refusing(Proxy):
    """A store, or a transaction of it, that refuses rows with a bad entry. Real stores refuse long keys, for example."""

    @property
    def read_store(self) -> Any:
        """The read store, if the store consists of two."""
        return Refusing(self.inner.read_store)

    async def begin(self, *, read_only: bool = False) -> Any:
        """Begin a transaction."""
        return Refusing(await self.inner.begin(read_only=read_only))

    def rows(self, view: type[View], *, shadow: bool = False) -> Any:
        """Return rows whose writer refuses the bad entry."""
        rows = self.inner.rows(view, shadow=shadow)

        async def write(changes: Sequence[RowChange[Any]]) -> None:
            if any(isinstance(each.row, Audit) and BAD in each.row.seen for each in changes):
                raise NotStorable(f"cannot store a row with the entry {BAD!r}.")
            await rows.write(changes)

        return Proxy(rows, write=write)


def spoiling(*, looking: bool) -> Router:
    """Return a router whose projection "audit" puts rows that are refused for the deposits of "bad".

    Args:
        looking: count the rows in each handler, which writes the rows of earlier events.
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
    """The cases of `SubscriptionSuite` about rows that the store refuses."""

    async def test_a_row_that_cannot_be_kept_parks_its_event(self, new_store: NewStore) -> None:
        """The event of a refused row is parked with the later events of its key. Other keys continue."""
        await self._spoil(new_store, looking=False)

    async def test_a_row_that_another_event_writes_parks_its_own(self, new_store: NewStore) -> None:
        """The event of a refused row is parked even if the handler of another event caused the write."""
        await self._spoil(new_store, looking=True)

    async def _spoil(self, new_store: NewStore, *, looking: bool) -> None:
        good = [f"good{number}" for number in range(20)]
        async with new_store([]) as store:
            async with running(store, spoiling(looking=looking), work=False) as app:
                await deposits(app, *good[:9], "bad", *good[9:])
                await app.dispatch(DepositEach(account_id="bad", amounts=(2, 3)))
                await app.dispatch(DepositEach(account_id=good[0], amounts=(2,)))
            picky: Any = Refusing(store)
            async with running(picky, spoiling(looking=looking)) as app:
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
