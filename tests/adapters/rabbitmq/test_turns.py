"""Turns by key: one at a time, in order, whoever gives up meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from twofold_rabbitmq._turns import Turns


class Visitor:
    """A task that waits for the turn of a key, and has it until it is let go."""

    def __init__(self, turns: Turns, key: str) -> None:
        self.inside = False
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._visit(turns, key))

    async def _visit(self, turns: Turns, key: str) -> None:
        async with turns.of(key):
            self.inside = True
            try:
                await self.go.wait()
            finally:
                self.inside = False


async def rested() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def given_up(visitor: Visitor) -> None:
    """Cancel a visitor."""
    visitor.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visitor.task


async def test_who_comes_after_one_that_gave_up_waits_all_the_same() -> None:
    """While the first is inside, nobody else is; then the next one is, and at the end nothing is kept."""
    turns = Turns()
    first, second = Visitor(turns, "k"), Visitor(turns, "k")
    await rested()
    await given_up(second)
    third = Visitor(turns, "k")
    await rested()
    assert (first.inside, third.inside) == (True, False)
    first.go.set()
    await rested()
    assert third.inside
    third.go.set()
    await third.task
    assert not turns._last


async def test_who_waits_behind_one_that_gives_up_has_its_turn() -> None:
    """It does not come before the one inside, and it comes."""
    turns = Turns()
    first, second, third = (Visitor(turns, "k") for _ in range(3))
    await rested()
    await given_up(second)
    await rested()
    assert (first.inside, third.inside) == (True, False)
    first.go.set()
    await rested()
    assert third.inside
    third.go.set()
    await third.task
    assert not turns._last


async def test_the_last_one_that_gives_up_leaves_nothing_behind() -> None:
    """Nor does the one that has the turn and is cancelled."""
    turns = Turns()
    first, second = Visitor(turns, "k"), Visitor(turns, "k")
    other = Visitor(turns, "another")
    await rested()
    assert other.inside
    for each in (second, first, other):
        await given_up(each)
    assert not turns._last
