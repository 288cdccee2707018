"""Rebuilding a projection: the old rows are read until the new ones take their place, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import anyio
import pytest

from ... import Application, Module, Query, ReadModel, Retry, View, on
from ...errors import RebuildRunning
from ...ports import WriteStore
from ._bank import Balance, Deposit, Deposited, Open, Opened, bank
from ._hooked import Call, Hooked
from ._opened import NewStore

NAMES = [f"a{number:02}" for number in range(12)]

SOON = Retry(attempts=3, delay=0.001)
"""What fails is tried again at once."""


class Total(View, name="suite_total", key="account_id"):
    """What was deposited, as counted by a version of the projection."""

    account_id: str
    version: int
    total: Decimal = Decimal()


class GetTotals(Query[list[Total]]):
    """Ask for all rows."""


def totals(version: int, fail_on: str | None = None, *, once: Sequence[str] = (), retry: Retry = SOON) -> Module:
    """Return a module with the projection, as it was written at some time.

    Args:
        version: what it writes into its rows.
        fail_on: the account that it cannot open.
        once: the accounts that it cannot open at the first try.
        retry: how often an event is tried.
    """
    module, failing = Module(f"totals {version}"), [*once]

    @module.projection("totals", retry=retry)
    class Totals:
        def __init__(self, rows: ReadModel[Total]) -> None:
            self.rows = rows

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if event.account_id in failing:
                failing.remove(event.account_id)
                raise LookupError(event.account_id)
            if event.account_id == fail_on:
                raise LookupError(event.account_id)
            await self.rows.put(Total(account_id=event.account_id, version=version))

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            row = await self.rows.get(event.account_id)
            if row is not None:
                await self.rows.update(event.account_id, total=row.total + event.amount)

    @module.query_handler(GetTotals, reads="totals")
    async def get_totals(query: GetTotals, rows: ReadModel[Total]) -> list[Total]:
        return list((await rows.find()).items)

    return module


def bank_with(store: WriteStore, *modules: Module, work: bool = True) -> Application:
    """Return an application of the bank and some modules."""
    app = Application("bank", write=store, work=work, lease=1.0)
    for module in (bank, *modules):
        app.include(module)
    return app


async def filled(store: WriteStore) -> None:
    """Let the first version of the projection run over some history."""
    async with bank_with(store, totals(1)) as app:
        for name in NAMES:
            await app.dispatch(Open(account_id=name))
            await app.dispatch(Deposit(account_id=name, amount=Decimal(1)))
        await app.settle()


async def rows(app: Application) -> dict[str, tuple[int, Decimal]]:
    """Return version and total of every row."""
    return {row.account_id: (row.version, row.total) for row in await app.execute(GetTotals())}


def failing(store: WriteStore, method: str, times: int = 0) -> Any:
    """Return the store with a method that does its work and then dies, after it has worked some times."""
    left = [times]

    async def crash(call: Call) -> None:
        await call()
        left[0] -= 1
        if left[0] == -1:
            raise OSError(f"crash in {method}")

    return Hooked(store, method, crash)


class RebuildSuite:
    """What every store makes possible: a rebuild that nobody notices but by the new rows. Needs `new_store`."""

    async def test_the_new_rows_replace_the_old(self, new_store: NewStore) -> None:
        """After a rebuild every row is made by the code of now, from the whole log, and kept up to date."""
        async with new_store([Total, Balance]) as store:
            await filled(store)
            async with bank_with(store, totals(2)) as app:
                assert await rows(app) == dict.fromkeys(NAMES, (1, Decimal(1)))
                seen: list[tuple[int, int]] = []
                await app.rebuild("totals", progress=lambda *at: seen.append(at))
                assert await rows(app) == dict.fromkeys(NAMES, (2, Decimal(1)))
                assert seen[-1][0] == seen[-1][1]
                await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(4)))
                await app.settle()
                assert (await rows(app))[NAMES[0]] == (2, Decimal(5))
                await app.rebuild("totals")
                assert (await rows(app))[NAMES[0]] == (2, Decimal(5))

    async def test_no_answer_is_empty_stale_or_mixed(self, new_store: NewStore) -> None:
        """Under writes and reads every answer has all rows, of one version only, and a session always sees its writes."""
        async with new_store([Total, Balance]) as store:
            await filled(store)
            async with bank_with(store, totals(2)) as app:
                reading, done = anyio.Event(), anyio.Event()
                versions: list[int] = []

                async def read() -> None:
                    async with app.session() as session:
                        written = Decimal(1)
                        while not (done.is_set() and versions[-1] == 2):
                            await session.dispatch(Deposit(account_id=NAMES[3], amount=Decimal(1)))
                            written += 1
                            found = await session.execute(GetTotals(), timeout=10)
                            assert [row.account_id for row in found] == NAMES
                            (version,) = {row.version for row in found}
                            versions.append(version)
                            reading.set()
                            assert found[3].total == written

                with anyio.fail_after(20):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(read)
                        await reading.wait()
                        await app.rebuild("totals")
                        done.set()
                assert versions == sorted(versions)
                assert set(versions) == {1, 2}

    async def test_no_reaction_runs(self, new_store: NewStore) -> None:
        """A rebuild concerns rows only; reactions to the same events are left alone."""
        async with new_store([Total, Balance]) as store:
            reacted: list[str] = []
            module = Module("mail")

            @module.reaction(Opened, name="mail", start="beginning")
            async def mail(event: Opened) -> None:
                reacted.append(event.account_id)

            async with bank_with(store, totals(1), module) as app:
                await app.dispatch(Open(account_id="a"))
                await app.settle()
                await app.rebuild("totals")
                await app.settle()
                assert reacted == ["a"]

    async def test_a_crash_leaves_the_old_rows(self, new_store: NewStore) -> None:
        """A rebuild that dies while it fills, or in the very swap, changes nothing; the next one goes on and finishes."""
        for method, times in (
            ("advance", 0), ("ask_retry", 0), ("swap_shadows", 0), ("divide", 1), ("adopt_parked", 0),
        ):  # fmt: skip
            async with new_store([Total, Balance]) as store:
                await filled(store)
                module = totals(2, once=NAMES[5:6])
                async with bank_with(failing(store, method, times), module, work=False) as app:
                    with pytest.raises(OSError, match=method):
                        await app.rebuild("totals")
                    assert await rows(app) == dict.fromkeys(NAMES, (1, Decimal(1)))
                async with bank_with(store, totals(2)) as app:
                    await app.rebuild("totals")
                    assert await rows(app) == dict.fromkeys(NAMES, (2, Decimal(1)))
                    await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(1)))
                    await app.settle()
                    assert (await rows(app))[NAMES[0]] == (2, Decimal(2))

    async def test_it_goes_on_where_it_was(self, new_store: NewStore) -> None:
        """What was filled before a crash is not filled again, unless a restart is asked for."""
        async with new_store([Total, Balance]) as store:
            await filled(store)
            for restart, first in ((False, True), (True, False)):
                async with bank_with(failing(store, "swap_shadows"), totals(2), work=False) as app:
                    with pytest.raises(OSError, match="swap_shadows"):
                        await app.rebuild("totals")
                reached: list[int] = []

                def reach(at: int, _: int, into: list[int] = reached) -> None:
                    into.append(at)

                async with bank_with(store, totals(3), work=False) as app:
                    await app.rebuild("totals", restart=restart, progress=reach)
                    assert (reached[0] > 0) is first
                    assert {version for version, _ in (await rows(app)).values()} == ({2} if first else {3})

    async def test_one_rebuilds_at_a_time(self, new_store: NewStore) -> None:
        """Of two rebuilds of one projection the second is refused while the first one is at work."""
        async with new_store([Total, Balance]) as store:
            await filled(store)
            refused, claims = anyio.Event(), [0]

            async def wait(call: Call) -> Any:
                claims[0] += 1
                if claims[0] == 2:  # the first one gave the right to rebuild
                    tasks.start_soon(again)
                    await refused.wait()
                return await call()

            async def again() -> None:
                with pytest.raises(RebuildRunning):
                    await two.rebuild("totals")
                refused.set()

            held: Any = Hooked(store, "claim", wait)
            async with bank_with(held, totals(2), work=False) as one, bank_with(store, totals(2), work=False) as two:
                with anyio.fail_after(20):
                    async with anyio.create_task_group() as tasks:
                        await one.rebuild("totals")
                assert refused.is_set()
                await two.rebuild("totals")

    async def test_parked_events_are_those_of_the_new_rows(self, new_store: NewStore) -> None:
        """Events that the new code can handle are parked no more; those that it cannot are, and can be retried."""
        async with new_store([Total, Balance]) as store:
            async with bank_with(store, totals(1, fail_on="a01")) as app:
                for name in ("a00", "a01", "a02"):
                    await app.dispatch(Open(account_id=name))
                await app.settle()
                assert [each.key for each in await app.parked("totals")] == ["account-a01"]
            async with bank_with(store, totals(2, fail_on="a02")) as app:
                await app.rebuild("totals")
                assert [each.key for each in await app.parked("totals")] == ["account-a02"]
                assert set(await rows(app)) == {"a00", "a01"}
            async with bank_with(store, totals(3)) as app:
                assert await app.retry("totals", "account-a02") == []
                assert {name: version for name, (version, _) in (await rows(app)).items()} == {
                    "a00": 2, "a01": 2, "a02": 3,
                }  # fmt: skip

    async def test_held_events_are_waited_for(self, new_store: NewStore) -> None:
        """The new rows have all events that failed first when they take their place, also one that comes just before."""
        claims = [0]

        async def append(call: Call) -> Any:
            claims[0] += 1
            if claims[0] == 2:  # the first one gave the right to rebuild, this one lets the old rows stand still
                await app.dispatch(Open(account_id="late"))
            return await call()

        async with new_store([Total, Balance]) as store:
            await filled(store)
            hooked: Any = Hooked(store, "claim", append)
            async with bank_with(hooked, totals(2, once=[*NAMES[3:5], "late"]), work=False) as app:
                await app.rebuild("totals")
                assert await rows(app) == {**dict.fromkeys(NAMES, (2, Decimal(1))), "late": (2, Decimal(0))}
                assert await app.parked("totals") == []
                assert claims == [3]

    async def test_what_the_old_rows_waited_for_is_dropped(self, new_store: NewStore) -> None:
        """An event that is held for the old rows is no matter of the new ones, which have it."""
        async with new_store([Total, Balance]) as store:
            async with bank_with(store, totals(1, fail_on="a01", retry=Retry(delay=3600, longest=3600))) as app:
                await app.dispatch(Open(account_id="a01"))
                async with app.session() as session:
                    await session.dispatch(Open(account_id="a02"))
                    assert [row.account_id for row in await session.execute(GetTotals())] == ["a02"]
            async with bank_with(store, totals(2)) as app:
                assert [each.attempts for each in await app.parked("totals")] == [1]
                await app.rebuild("totals")
                assert await app.parked("totals") == []
                await app.settle()
                assert {name: version for name, (version, _) in (await rows(app)).items()} == {"a01": 2, "a02": 2}

    async def test_unknown_projections_are_named(self, new_store: NewStore) -> None:
        """What cannot be rebuilt is an error that names what can."""
        async with new_store([Total, Balance]) as store, bank_with(store, totals(1)) as app:
            with pytest.raises(LookupError, match="balances, totals"):
                await app.rebuild("nothing")
