"""Notifications between processes: every listener of a log receives its notifications, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio

from twofold.ports import Notifier

from .._tools.in_time import until

NewNotifier: TypeAlias = Callable[[], AbstractAsyncContextManager[Notifier]]
"""Opens isolated notifications; the fixture of the suite."""


class Listener:
    """Records the origins of notifications."""

    def __init__(self) -> None:
        self.origins: list[str] = []

    @property
    def times(self) -> int:
        """The number of notifications."""
        return len(self.origins)

    def received(self, origin: str) -> None:
        """Record a notification."""
        self.origins.append(origin)

    async def more_than(self, times: int) -> None:
        """Return when the listener has received more than `times` notifications."""

        async def enough() -> bool:
            return self.times > times

        await until(enough)


@asynccontextmanager
async def listening(notifier: Notifier, *logs: str) -> AsyncIterator[list[Listener]]:
    """Listen to each log while the block runs. All listeners are ready when the block begins."""
    listeners = [Listener() for _ in logs]
    async with anyio.create_task_group() as tasks:
        for log, listener in zip(logs, listeners, strict=True):
            tasks.start_soon(notifier.watch, log, listener.received)
            await listener.more_than(0)
        yield listeners
        tasks.cancel_scope.cancel()


class NotifierSuite:
    """The promises of notifications. Needs the fixture `new_notifier`."""

    async def test_listening_begins_with_a_hint(self, new_notifier: NewNotifier) -> None:
        """A new listener is notified once, for earlier changes, and then only after an announcement."""
        async with new_notifier() as notifier:
            await notifier.announce("a", "x")
            async with listening(notifier, "a", "b") as (one, other):
                await notifier.announce("b", "x")
                await other.more_than(1)
                assert one.times == 1

    async def test_all_listeners_are_notified(self, new_notifier: NewNotifier) -> None:
        """Every listener of a log receives each notification."""
        async with new_notifier() as notifier, listening(notifier, "a", "a", "a") as listeners:
            for _ in range(5):
                before = [each.times for each in listeners]
                await notifier.announce("a", "x")
                for each, times in zip(listeners, before, strict=True):
                    await each.more_than(times)

    async def test_a_notification_has_the_origin_of_its_announcement(self, new_notifier: NewNotifier) -> None:
        """A process recognises its own notifications. The first one, for earlier changes, has no origin."""
        async with new_notifier() as notifier, listening(notifier, "a") as (listener,):
            for times, origin in enumerate(("one", "other"), start=1):
                await notifier.announce("a", origin)
                await listener.more_than(times)
            assert listener.origins == ["", "one", "other"]

    async def test_logs_do_not_mix(self, new_notifier: NewNotifier) -> None:
        """A listener receives no notifications of other logs."""
        async with new_notifier() as notifier, listening(notifier, "a", "ab") as (one, other):
            for _ in range(3):
                before = one.times
                await notifier.announce("a", "x")
                await one.more_than(before)
            await notifier.announce("ab", "x")
            await other.more_than(1)
            assert other.times == 2

    async def test_a_listener_that_left_is_not_notified(self, new_notifier: NewNotifier) -> None:
        """A stopped listener receives nothing more.

        Others continue, an announcement without listeners succeeds, and listening can restart.
        """
        async with new_notifier() as notifier:
            async with listening(notifier, "a") as (stays,):
                async with listening(notifier, "a") as (leaves,):
                    pass
                before, left = stays.times, leaves.times
                await notifier.announce("a", "x")
                await stays.more_than(before)
                assert leaves.times == left
            await notifier.announce("a", "x")
            async with listening(notifier, "a") as (again,):
                await notifier.announce("a", "x")
                await again.more_than(1)
