"""Projections with other views or events than in an earlier release of the application."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from twofold import Application, Query, ReadModel, Router, View, on
from twofold.ports import WriteStore

from .._domain.audit import deposits, running, settled
from .._domain.bank import Deposited, Opened
from .._tools.in_time import until
from .._tools.opened import NewStore
from .._tools.problems import problems_of
from .._tools.restoring import apart


class Opening(View, name="suite_opening", key="account_id"):
    account_id: str
    deposits: int = 0


class Known(View, name="suite_known", key="account_id"):
    account_id: str


class GetRows(Query[tuple[str, ...]]):
    """Returns the accounts of the views: "a 1" for an opening with one deposit, then "a" for a known account."""


def release(*, known: bool = False, deposits: bool = False) -> Router:
    """Return a release of a router with the projection "openings".

    Args:
        known: whether it also writes the view `Known`.
        deposits: whether it also handles `Deposited`.
    """
    router = Router("openings")

    class Openings:
        def __init__(self, openings: ReadModel[Opening]) -> None:
            self.openings = openings

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            await self.openings.put(Opening(account_id=event.account_id))

    class WithKnown(Openings):
        def __init__(self, openings: ReadModel[Opening], known: ReadModel[Known]) -> None:
            super().__init__(openings)
            self.known = known

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            await super().opened(event)
            await self.known.put(Known(account_id=event.account_id))

    class WithDeposits(Openings):
        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            row = await self.openings.get(event.account_id)
            if row is not None:
                await self.openings.put(Opening(account_id=event.account_id, deposits=row.deposits + 1))

    router.projection("openings")(WithKnown if known else WithDeposits if deposits else Openings)

    async def get_openings(query: GetRows, openings: ReadModel[Opening]) -> tuple[str, ...]:
        return tuple(
            f"{each.account_id} {each.deposits}" for each in (await openings.find(order_by="account_id")).items
        )

    async def get_both(query: GetRows, openings: ReadModel[Opening], known: ReadModel[Known]) -> tuple[str, ...]:
        found = (await known.find(order_by="account_id")).items
        return *await get_openings(query, openings), *(each.account_id for each in found)

    router.query_handler(GetRows, reads="openings")(get_both if known else get_openings)

    return router


async def problems(app: Application) -> Sequence[str]:
    """Return what `health` reports about "openings"."""
    return [each for each in await problems_of(app) if "openings" in each]


async def is_healthy(app: Application) -> bool:
    """Return whether `health` reports nothing about "openings"."""
    return not await problems(app)


async def is_refused(app: Application) -> bool:
    """Return whether this release does not run the projection, because another release does."""
    return any("which this release does not have" in each for each in await problems(app))


class ChangedProjections:
    """The cases of `RebuildSuite` about projections that have changed."""

    async def test_a_new_view_is_reported_until_it_is_rebuilt(self, new_store: NewStore) -> None:
        """A view that was added to a projection lacks the rows of old events. Health names the command that adds them."""
        async with apart(new_store) as store:
            await self._is_repaired(store, release(), release(known=True), ("a 0", "b 0"), ("a 0", "b 0", "a", "b"))

    async def test_a_new_event_is_reported_until_the_rows_are_rebuilt(self, new_store: NewStore) -> None:
        """Events that a projection handles since this release, and that it has passed before, are reported."""
        async with new_store([]) as store:
            await self._is_repaired(store, release(), release(deposits=True), ("a 0", "b 1"), ("a 1", "b 1"))

    async def test_a_new_event_that_never_happened_needs_no_rebuild(self, new_store: NewStore) -> None:
        """The processes of a new release start at the same time, and nothing is reported."""
        async with new_store([]) as store:
            async with running(store, release()) as app:
                await settled(app)
                assert await problems(app) == []
            apps, done = list[Application](), anyio.Event()

            async def process() -> None:
                async with running(store, release(deposits=True)) as app:
                    apps.append(app)
                    await done.wait()

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(process)
                await until(lambda: len(apps) == 3, "three processes were to start")
                await deposits(apps[0], "a")
                await settled(apps[0])
                assert await apps[0].execute(GetRows()) == ("a 1",)
                assert [await problems(app) for app in apps] == [[], [], []]
                done.set()

    async def test_an_earlier_release_skips_no_new_event(self, new_store: NewStore) -> None:
        """Once a new release has started, an earlier release that still runs does not handle the projection.

        The events wait for the new release.
        """
        async with new_store([]) as store, running(store, release()) as old:
            await settled(old)
            async with running(store, release(deposits=True), work=False):
                await deposits(old, "a")
                await until(lambda: is_refused(old), "the earlier release was to stop")
            async with running(store, release(deposits=True)) as new:
                await settled(new)
                assert await new.execute(GetRows()) == ("a 1",)
                assert await problems(new) == []
                assert await is_refused(old)

    async def test_an_earlier_release_leaves_no_view_behind(self, new_store: NewStore) -> None:
        """After a rebuild with a new view, an earlier release does not run the projection without the view.

        Before the rebuild, both releases keep the view that they share up to date.
        """
        async with new_store([]) as store, running(store, release()) as old:
            await deposits(old, "a")
            await settled(old)
            async with running(store, release(known=True), work=False) as new:
                await deposits(old, "b")
                await settled(old)
                await new.operations.rebuild("openings")
                await until(lambda: is_refused(old), "the earlier release was to stop")
                await deposits(old, "c")
            async with running(store, release(known=True)) as new:
                await settled(new)
                assert await new.execute(GetRows()) == ("a 0", "b 0", "c 0", "a", "b", "c")
                assert await problems(new) == []
            await old.operations.rebuild("openings")
            await until(lambda: is_healthy(old), "the earlier release was to run again")

    async def _is_repaired(
        self, store: WriteStore, before: Router, after: Router, incomplete: Sequence[str], complete: Sequence[str]
    ) -> None:
        async with running(store, before) as app:
            await deposits(app, "a")
            await settled(app)
            assert await problems(app) == []
        for _ in range(2):
            async with running(store, after) as app:
                (found,) = await problems(app)
                assert "ProjectionChanged" in found
                assert "app.operations.rebuild('openings')" in found
        async with running(store, after) as app:
            await deposits(app, "b")
            await settled(app)
            assert set(incomplete) <= set(await app.execute(GetRows()))
            assert len(await problems(app)) == 1
            await app.operations.rebuild("openings")
            await settled(app)
            assert await app.execute(GetRows()) == tuple(complete)
            assert await problems(app) == []
        async with running(store, after) as app:
            assert await problems(app) == []
