"""Hints between processes: heard by whoever listens to that log, and by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio

from twofold.ports import Hints

from .._tools.in_time import until

NewHints: TypeAlias = Callable[[], AbstractAsyncContextManager[Hints]]
"""Opens hints that nobody else uses; the fixture that the suite asks for."""


class Listener:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.times = 0

    def heard(self) -> None:
        """Note once more."""
        self.times += 1

    async def more_than(self, times: int) -> None:
        """Return when it has heard more than so often."""

        async def enough() -> bool:
            return self.times > times

        await until(enough)


@asynccontextmanager
async def listening(hints: Hints, *logs: str) -> AsyncIterator[list[Listener]]:
    """Listen to each log until the block is left; inside of it, all listen already."""
    listeners = [Listener() for _ in logs]
    async with anyio.create_task_group() as tasks:
        for log, listener in zip(logs, listeners, strict=True):
            tasks.start_soon(hints.watch, log, listener.heard)
            await listener.more_than(0)
        yield listeners
        tasks.cancel_scope.cancel()


class HintsSuite:
    """What hints promise. Needs the fixture `new_hints`."""

    async def test_listening_begins_with_a_hint(self, new_hints: NewHints) -> None:
        """For whatever was announced before: one, and no more while nothing is announced."""
        async with new_hints() as hints:
            await hints.announce("a")
            async with listening(hints, "a", "b") as (one, other):
                await hints.announce("b")
                await other.more_than(1)
                assert one.times == 1

    async def test_all_who_listen_hear(self, new_hints: NewHints) -> None:
        """Each of them, again and again."""
        async with new_hints() as hints, listening(hints, "a", "a", "a") as listeners:
            for _ in range(5):
                before = [each.times for each in listeners]
                await hints.announce("a")
                for each, times in zip(listeners, before, strict=True):
                    await each.more_than(times)

    async def test_logs_do_not_mix(self, new_hints: NewHints) -> None:
        """A hint about one log is not heard by those who listen to another."""
        async with new_hints() as hints, listening(hints, "a", "ab") as (one, other):
            for _ in range(3):
                before = one.times
                await hints.announce("a")
                await one.more_than(before)
            await hints.announce("ab")
            await other.more_than(1)
            assert other.times == 2

    async def test_whoever_leaves_hears_no_more(self, new_hints: NewHints) -> None:
        """Others go on, an announcement that nobody hears is no error, and listening begins anew."""
        async with new_hints() as hints:
            async with listening(hints, "a") as (stays,):
                async with listening(hints, "a") as (leaves,):
                    pass
                before, left = stays.times, leaves.times
                await hints.announce("a")
                await stays.more_than(before)
                assert leaves.times == left
            await hints.announce("a")
            async with listening(hints, "a") as (again,):
                await hints.announce("a")
                await again.more_than(1)
