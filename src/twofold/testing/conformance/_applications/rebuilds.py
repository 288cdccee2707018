"""Rebuilding a projection: queries read the old rows until the new rows replace all of them in one step."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Retry, Router

from .._domain.audit import settled
from .._domain.bank import Balance, Deposit, Open, Opened
from .._domain.totals import NAMES, GetTotals, Total, bank_with, deposited_unseen, filled, rebuilt, rows, totals
from .._stores.shadows import ShadowRows
from .._tools.hooked import Call, Hooked
from .._tools.in_time import CEILING, WHOLE_TEST, in_time
from .._tools.opened import NewStore
from .changed_fields import ChangedFields
from .changed_projections import ChangedProjections
from .rebuild_failures import RebuildFailures


class RebuildSuite(RebuildFailures, ChangedProjections, ChangedFields, ShadowRows):
    """The promises of a store to rebuilds of projections. Needs the fixture `new_store`."""

    async def test_the_new_rows_replace_the_old(self, new_store: NewStore) -> None:
        """After a rebuild, the current code has written every row from the whole log. Later events update the rows."""
        async with filled(new_store) as store, bank_with(store, totals(2)) as app:
            assert await rows(app) == dict.fromkeys(NAMES, (1, Decimal(1)))
            seen: list[tuple[int, int]] = []
            await rebuilt(app, progress=lambda *at: seen.append(at))
            assert await rows(app) == dict.fromkeys(NAMES, (2, Decimal(1)))
            assert seen[-1][0] == seen[-1][1]
            await app.dispatch(Deposit(account_id=NAMES[0], amount=Decimal(4)))
            await settled(app)
            assert (await rows(app))[NAMES[0]] == (2, Decimal(5))
            await rebuilt(app)
            assert (await rows(app))[NAMES[0]] == (2, Decimal(5))

    async def test_while_it_fills_the_old_rows_are_read(self, new_store: NewStore) -> None:
        """Until the swap, queries read the old rows, and all of them."""
        answers: list[dict[str, tuple[int, Decimal]]] = []

        async def look(renew: Call) -> Any:
            answers.append(await rows(app))
            return await renew()

        async with filled(new_store) as store:
            held: Any = Hooked(store, "subscriptions.renew", look)  # called by the rebuild after each batch
            async with bank_with(held, totals(2), work=False) as app:
                await rebuilt(app)
        assert answers
        assert all(answer == dict.fromkeys(NAMES, (1, Decimal(1))) for answer in answers)

    async def test_no_answer_is_empty_stale_or_mixed(self, new_store: NewStore) -> None:
        """During a rebuild, every result contains all rows of one version, and each session sees its own writes."""
        async with filled(new_store) as store, bank_with(store, totals(2)) as app:
            reading, done = anyio.Event(), anyio.Event()
            versions: list[int] = []

            async def read() -> None:
                async with app.session() as session:
                    written = Decimal(1)
                    while not (done.is_set() and versions[-1] == 2):
                        await session.dispatch(Deposit(account_id=NAMES[3], amount=Decimal(1)))
                        written += 1
                        found = await session.execute(GetTotals(), timeout=CEILING)
                        assert [row.account_id for row in found] == NAMES
                        (version,) = {row.version for row in found}
                        versions.append(version)
                        reading.set()
                        assert found[3].total == written

            with in_time(WHOLE_TEST):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await reading.wait()
                    await rebuilt(app)
                    done.set()
            assert versions == sorted(versions)
            assert set(versions) == {1, 2}

    async def test_the_swap_takes_the_checkpoint_along(self, new_store: NewStore) -> None:
        """Events that the old rows did not contain count once in the new rows, which are up to date immediately."""
        async with filled(new_store) as store:
            await deposited_unseen(store)
            async with bank_with(store, totals(2), work=False) as app:
                await rebuilt(app)
                assert {each.name: each.lag for each in await app.operations.status()}["totals"] == 0
            async with bank_with(store, totals(2)) as app:
                await settled(app)
                assert await rows(app) == dict.fromkeys(NAMES, (2, Decimal(1))) | {NAMES[0]: (2, Decimal(2))}

    async def test_no_event_handler_runs(self, new_store: NewStore) -> None:
        """A rebuild does not run event handlers."""
        async with new_store([Total, Balance]) as store:
            reacted: list[str] = []
            router = Router("mail")

            @router.event_handler(Opened, name="mail", start="beginning")
            async def mail(event: Opened) -> None:
                reacted.append(event.account_id)

            async with bank_with(store, totals(1), router) as app:
                await app.dispatch(Open(account_id="a"))
                await settled(app)
                await rebuilt(app)
                await settled(app)
                assert reacted == ["a"]

    async def test_parked_events_are_those_of_the_new_rows(self, new_store: NewStore) -> None:
        """Parked events that the new code handles are unparked. Other failing events are parked and can be retried."""
        async with new_store([Total, Balance]) as store:
            async with bank_with(store, totals(1, fail_on="a01")) as app:
                for name in ("a00", "a01", "a02"):
                    await app.dispatch(Open(account_id=name))
                await settled(app)
                assert [each.key for each in await app.operations.parked("totals")] == ["account-a01"]
            async with bank_with(store, totals(2, fail_on="a02")) as app:
                await rebuilt(app)
                assert [each.key for each in await app.operations.parked("totals")] == ["account-a02"]
                assert set(await rows(app)) == {"a00", "a01"}
            async with bank_with(store, totals(3)) as app:
                with in_time():
                    assert await app.operations.retry("totals", "account-a02") == []
                assert {name: version for name, (version, _) in (await rows(app)).items()} == {
                    "a00": 2, "a01": 2, "a02": 3,
                }  # fmt: skip

    async def test_a_rebuild_waits_for_pending_retries(self, new_store: NewStore) -> None:
        """At the swap, the new rows contain all events whose retries were pending, also of a failure just before."""
        claims = [0]

        async def append(call: Call) -> Any:
            claims[0] += 1
            if claims[0] == 2:  # the first lease was for the rebuild, the second one stops the old rows
                await app.dispatch(Open(account_id="late"))
            return await call()

        async with filled(new_store) as store:
            hooked: Any = Hooked(store, "subscriptions.claim", append)
            async with bank_with(hooked, totals(2, once=[*NAMES[3:5], "late"]), work=False) as app:
                await rebuilt(app)
                assert await rows(app) == {**dict.fromkeys(NAMES, (2, Decimal(1))), "late": (2, Decimal(0))}
                assert await app.operations.parked("totals") == []
                assert claims == [3]

    async def test_pending_retries_of_the_old_rows_are_dropped(self, new_store: NewStore) -> None:
        """A pending retry of the old rows is dropped at the swap, because the new rows contain its event."""
        async with new_store([Total, Balance]) as store:
            async with bank_with(store, totals(1, fail_on="a01", retry=Retry(delay=3600, longest=3600))) as app:
                await app.dispatch(Open(account_id="a01"))
                async with app.session() as session:
                    await session.dispatch(Open(account_id="a02"))
                    assert [row.account_id for row in await session.execute(GetTotals())] == ["a02"]
            async with bank_with(store, totals(2)) as app:
                assert [each.attempts for each in await app.operations.parked("totals")] == [1]
                await rebuilt(app)
                assert await app.operations.parked("totals") == []
                await settled(app)
                assert {name: version for name, (version, _) in (await rows(app)).items()} == {"a01": 2, "a02": 2}

    async def test_unknown_projections_are_named(self, new_store: NewStore) -> None:
        """Rebuilding an unknown projection, or one that cannot be rebuilt, raises an error that lists the valid names."""
        async with new_store([Total, Balance]) as store, bank_with(store, totals(1)) as app:
            with pytest.raises(LookupError, match="balances, totals"):
                await app.operations.rebuild("nothing")
