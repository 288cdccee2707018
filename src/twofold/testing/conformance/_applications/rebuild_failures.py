"""Rebuilds that crash, run at the same time, or run while a worker is paused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application
from twofold.errors import RebuildRunning

from .._domain.audit import settled
from .._domain.bank import Deposit
from .._domain.totals import NAMES, bank_with, deposited_unseen, failing, filled, rebuilt, rows, totals
from .._domain.work import LONG
from .._tools.beside import stores_of
from .._tools.hooked import Call, Hooked
from .._tools.in_time import in_time, until
from .._tools.opened import NewStore

CRASHES = (
    ("checkpoints.advance", 0),
    ("parked.retry", 0),
    ("shadows.swap", 0),
    ("checkpoints.divide", 1),
    ("parked.adopt", 0),
)
"""The methods after which a rebuild crashes, and the number of their calls that succeed before."""


class RebuildFailures:
    """The cases of `RebuildSuite` about failures."""

    async def test_a_crash_leaves_the_old_rows(self, new_store: NewStore) -> None:
        """A rebuild that crashes while it fills rows, or during the swap, leaves the old rows in use.

        The next rebuild completes.
        """
        async with filled(new_store) as store:
            for version, (method, times) in enumerate(CRASHES, start=1):
                old, new = (dict.fromkeys(NAMES, (each, Decimal(1))) for each in (version, version + 1))
                total = Decimal(2 * version - 1)
                await deposited_unseen(store)
                module = totals(version + 1, once=NAMES[5:6])
                async with bank_with(failing(store, method, times), module, work=False) as app:
                    with pytest.raises(OSError, match=method):
                        await rebuilt(app)
                    assert await rows(app) == old | {NAMES[0]: (version, total)}
                async with bank_with(store, totals(version)) as app:
                    await settled(app)
                    assert await rows(app) == old | {NAMES[0]: (version, total + 1)}
                async with bank_with(store, totals(version + 1)) as app:
                    await rebuilt(app)
                    assert await rows(app) == new | {NAMES[0]: (version + 1, total + 1)}
                    await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(1)))
                    await settled(app)
                    assert (await rows(app))[NAMES[0]] == (version + 1, total + 2)

    async def test_it_goes_on_where_it_was(self, new_store: NewStore) -> None:
        """A rebuild resumes after a crash without writing rows again, unless it is restarted."""
        async with filled(new_store) as store:
            for restart, first in ((False, True), (True, False)):
                async with bank_with(failing(store, "shadows.swap"), totals(2), work=False) as app:
                    with pytest.raises(OSError, match=r"shadows\.swap"):
                        await rebuilt(app)
                reached: list[int] = []

                def reach(at: int, _: int, into: list[int] = reached) -> None:
                    into.append(at)

                async with bank_with(store, totals(3), work=False) as app:
                    await rebuilt(app, restart=restart, progress=reach)
                    assert (reached[0] > 0) is first
                    assert {version for version, _ in (await rows(app)).values()} == ({2} if first else {3})

    async def test_a_restart_begins_with_no_rows(self, new_store: NewStore) -> None:
        """A restarted rebuild removes rows that an earlier attempt has written and that the current code does not write."""
        async with filled(new_store) as store:
            async with bank_with(failing(store, "shadows.swap"), totals(2), work=False) as app:
                with pytest.raises(OSError, match=r"shadows\.swap"):
                    await rebuilt(app)
            async with bank_with(store, totals(3, fail_on=NAMES[0]), work=False) as app:
                await rebuilt(app, restart=True)
                assert await rows(app) == dict.fromkeys(NAMES[1:], (3, Decimal(1)))

    async def test_one_rebuilds_at_a_time(self, new_store: NewStore) -> None:
        """A second rebuild of a projection is refused while the first one runs."""
        async with filled(new_store) as store:
            tried, claims, refused = anyio.Event(), [0], list[RebuildRunning]()

            async def wait(call: Call) -> Any:
                claims[0] += 1
                if claims[0] == 2:  # the first claim was for the lease of the rebuild
                    tasks.start_soon(again)
                    await tried.wait()
                return await call()

            async def again() -> None:
                try:
                    await rebuilt(two)
                except RebuildRunning as running:
                    refused.append(running)
                tried.set()

            held: Any = Hooked(store, "subscriptions.claim", wait)
            async with (
                bank_with(held, totals(2), work=False, lease=LONG) as one,
                bank_with(store, totals(2), work=False, lease=LONG) as two,
            ):
                with in_time():
                    async with anyio.create_task_group() as tasks:
                        await one.operations.rebuild("totals")
                assert len(refused) == 1
                await rebuilt(two)

    async def test_a_pause_during_a_rebuild(self, new_store: NewStore) -> None:
        """A projection that is paused during its rebuild gets the new rows, and processes later events after `resume`."""
        claims, rounds = 0, 0

        async def pause(call: Call) -> Any:
            nonlocal claims
            claims += 1
            if claims == 2:  # the first claim was for the lease of the rebuild
                await operator.operations.pause("totals", reason="the disk is full")
            return await call()

        async def count(call: Call) -> Any:
            nonlocal rounds
            rounds += 1
            return await call()

        async with filled(new_store) as store, bank_with(store, totals(2), work=False) as operator:
            held: Any = Hooked(store, "subscriptions.claim", pause)
            async with bank_with(held, totals(2), work=False) as app:
                await rebuilt(app)
            await operator.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(1)))
            counted: Any = Hooked(store, "subscriptions.partitions", count)
            async with bank_with(counted, totals(2)) as app:
                await until(lambda: rounds > 4)  # a worker would have claimed and processed something
                assert await rows(app) == dict.fromkeys(NAMES, (2, Decimal(1)))
                assert await operator.operations.resume("totals")
                await settled(app)
                assert (await rows(app))[NAMES[0]] == (2, Decimal(2))

    async def test_a_worker_that_was_away_during_the_swap_writes_nothing(self, new_store: NewStore) -> None:
        """A worker that began a batch before the swap cannot commit it afterwards.

        The new rows already contain its events.
        """
        away, go, ended, armed = anyio.Event(), anyio.Event(), anyio.Event(), list[bool]()

        async def hold(begin: Call) -> Any:
            if armed.pop() if armed else False:
                away.set()
                await go.wait()
            return await begin()

        async def note(end: Call) -> None:
            await end()
            if go.is_set():
                ended.set()

        async with filled(new_store) as store:
            held: Any = Hooked(store, "begin", hold)
            for end in ("commit", "rollback"):
                held = Hooked(held, end, note)
            old = Application("old", **stores_of(held), lease=LONG)
            old.include(totals(1))
            async with old, bank_with(store, totals(2), work=False) as app:
                await settled(old)
                armed.append(True)
                await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(1)))
                await away.wait()
                await rebuilt(app)
                go.set()
                await ended.wait()
                assert (await rows(app))[NAMES[0]] == (2, Decimal(2))
