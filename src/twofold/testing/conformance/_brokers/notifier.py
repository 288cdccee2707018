"""Notifications between processes: every listener of that log receives them, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio

from twofold.ports import Notifier

from .._tools.in_time import until

NewNotifier: TypeAlias = Callable[[], AbstractAsyncContextManager[Notifier]]
"""Opens notifications that nobody else uses; the fixture that the suite asks for."""


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
async def listening(notifier: Notifier, *logs: str) -> AsyncIterator[list[Listener]]:
    """Listen to each log until the block is left; inside of it, all listen already."""
    listeners = [Listener() for _ in logs]
    async with anyio.create_task_group() as tasks:
        for log, listener in zip(logs, listeners, strict=True):
            tasks.start_soon(notifier.watch, log, listener.heard)
            await listener.more_than(0)
        yield listeners
        tasks.cancel_scope.cancel()


class NotifierSuite:
    """What notifications promise. Needs the fixture `new_notifier`."""

    async def test_listening_begins_with_a_hint(self, new_notifier: NewNotifier) -> None:
        """For whatever was announced before: one, and no more while nothing is announced."""
        async with new_notifier() as notifier:
            await notifier.announce("a")
            async with listening(notifier, "a", "b") as (one, other):
                await notifier.announce("b")
                await other.more_than(1)
                assert one.times == 1

    async def test_all_who_listen_hear(self, new_notifier: NewNotifier) -> None:
        """Each of them, again and again."""
        async with new_notifier() as notifier, listening(notifier, "a", "a", "a") as listeners:
            for _ in range(5):
                before = [each.times for each in listeners]
                await notifier.announce("a")
                for each, times in zip(listeners, before, strict=True):
                    await each.more_than(times)

    async def test_logs_do_not_mix(self, new_notifier: NewNotifier) -> None:
        """A notification about one log is not heard by those who listen to another."""
        async with new_notifier() as notifier, listening(notifier, "a", "ab") as (one, other):
            for _ in range(3):
                before = one.times
                await notifier.announce("a")
                await one.more_than(before)
            await notifier.announce("ab")
            await other.more_than(1)
            assert other.times == 2

    async def test_whoever_leaves_hears_no_more(self, new_notifier: NewNotifier) -> None:
        """Other listeners continue, an announcement without listeners succeeds, and listening can restart."""
        async with new_notifier() as notifier:
            async with listening(notifier, "a") as (stays,):
                async with listening(notifier, "a") as (leaves,):
                    pass
                before, left = stays.times, leaves.times
                await notifier.announce("a")
                await stays.more_than(before)
                assert leaves.times == left
            await notifier.announce("a")
            async with listening(notifier, "a") as (again,):
                await notifier.announce("a")
                await again.more_than(1)
