"""Segments: keys are shared out among workers, and a subscription is divided anew."""

from __future__ import annotations

import os
import sys

import anyio

from .._domain.audit import settled
from .._domain.work import (
    ACCOUNTS,
    behind,
    deposit,
    divided,
    done,
    everywhere,
    mailing,
    opened,
    others_passed,
    owners,
    stolen,
    worker,
    working,
)
from .._tools.in_time import until
from .._tools.opened import NewStore

SEGMENTS = """
import sys
from twofold._subscriptions.partitions import segment_of
print(*(segment_of(key, 4) for key in sys.argv[1:]))
"""


async def segments_elsewhere(seed: str) -> list[int]:
    """Return which of four segments each account falls to in a process with another seed for its hashes."""
    command = [sys.executable, "-c", SEGMENTS, *(f"account-{account}" for account in ACCOUNTS)]
    ended = await anyio.run_process(command, env={**os.environ, "PYTHONHASHSEED": seed})
    return [int(number) for number in ended.stdout.split()]


class WorkerSegments:
    """The cases of `WorkerSuite` about segments."""

    async def test_segments_share_the_keys(self, new_store: NewStore) -> None:
        """Every key is handled by one segment, in order, and all of them together handle every event once."""
        async with opened(new_store) as (store, front), worker(store, working(segments=4)):
            await deposit(front, 1, 2, 3)
            await settled(front)
            assert await done(front) == everywhere(1, 2, 3)
            await divided(store, "work", 4)

    async def test_a_key_falls_to_the_same_segment_everywhere(self, new_store: NewStore) -> None:
        """Processes agree on who handles which key, whatever seed their hashes have; what another holds is left alone."""
        async with opened(new_store) as (store, front):
            async with worker(store, working(segments=4)):
                await settled(front)
            taken = await stolen(store)
            async with worker(store, working(segments=4)):
                await deposit(front, 1)
                await until(lambda: others_passed(store, taken))
                one, other = [await segments_elsewhere(seed) for seed in ("1", "2")]
                assert one == other
                mine = [account for account, number in zip(ACCOUNTS, one, strict=True) if number != taken.segment]
                assert await done(front) == dict.fromkeys(mine, (1,))
                assert await behind(front) > 0

    async def test_two_workers_share_the_segments(self, new_store: NewStore) -> None:
        """A worker that comes later gets its share of the segments; nothing is lost or doubled by the change."""
        async with opened(new_store) as (store, front), worker(store, working(segments=4)):
            await deposit(front, 1)

            async def shared() -> bool:
                return await owners(store) == {2: 2}

            async with worker(store, working(segments=4)):
                await deposit(front, 2)
                await until(shared)
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)

    async def test_a_worker_that_left_has_no_share(self, new_store: NewStore) -> None:
        """The segments of a worker that left go to those that stay."""
        async with opened(new_store) as (store, front), worker(store, working(segments=4)):

            async def shared() -> bool:
                return await owners(store) == {2: 2}

            async with worker(store, working(segments=4)):
                await until(shared)
            await deposit(front, 1)
            await settled(front)
            assert await done(front) == everywhere(1)
            assert await owners(store) == {4: 1}

    async def test_more_and_fewer_segments(self, new_store: NewStore) -> None:
        """A subscription that is divided anew delivers every event once, whatever segments there were before."""
        async with opened(new_store) as (store, front):
            amounts: list[int] = []
            for amount, segments in enumerate((1, 4, 3, 1, 2), 1):
                amounts.append(amount)
                await deposit(front, amount)
                async with worker(store, working(segments=segments)):
                    await settled(front)
                    assert await done(front) == everywhere(*amounts)
                    await divided(store, "work", segments)

    async def test_segments_at_different_places_are_divided_anew(self, new_store: NewStore) -> None:
        """Segments of which one is behind are brought to one place first; their keys lose nothing and repeat nothing."""
        async with opened(new_store) as (store, front):
            async with worker(store, working(segments=4)):
                await settled(front)
            taken = await stolen(store)
            async with worker(store, working(segments=4)):
                await deposit(front, 1, 2)
                await until(lambda: others_passed(store, taken))
            await store.subscriptions.release([taken])
            async with worker(store, working(segments=3)):
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)
                await divided(store, "work", 3)

    async def test_a_reaction_that_is_divided_keeps_its_mark(self, new_store: NewStore) -> None:
        """A reaction that began at some time runs for nothing older, and once for all that is newer, however divided."""
        sent: list[tuple[str, int]] = []
        async with opened(new_store) as (store, front):
            await deposit(front, 1)
            async with worker(store, mailing(sent)) as app:
                await settled(app)
            newer: list[int] = []
            for amount, segments in enumerate((1, 4, 3, 1), 2):
                newer.append(amount)
                await deposit(front, amount)
                async with worker(store, mailing(sent, segments=segments)) as app:
                    await settled(app)
                    await divided(store, "mail", segments)
                for account in ACCOUNTS:
                    assert [number for who, number in sent if who == account] == newer

    async def test_parked_keys_move_with_their_segment(self, new_store: NewStore) -> None:
        """A key that is parked stays parked when the subscription is divided anew, and its segment counts it."""
        bad = ACCOUNTS[:3]
        async with opened(new_store) as (store, front):
            await deposit(front, 1)
            for segments, failing in ((1, bad), (4, []), (2, [])):
                async with worker(store, working(segments=segments, fail_on=failing)):
                    await settled(front)
                    found = await store.subscriptions.checkpoint("work")
                    assert found is not None
                    assert found.parked == len(await front.operations.parked("work"))
                await deposit(front, 2, accounts=bad)
            assert [each.attempts for each in await front.operations.parked("work")] == [2, 2, 2, *[0] * 6]
            assert {each.key for each in await front.operations.parked("work")} == {
                f"account-{account}" for account in bad
            }
            assert not set(bad) & set(await done(front))
