"""Notifications wake the readers of other processes. The readers of this process are woken by the commit."""

from __future__ import annotations

import anyio

from twofold._application.notifications import Notifications
from twofold._background.signal import Signal
from twofold.testing.conformance._tools.in_time import in_time, until
from twofold_memory import InMemory, InMemoryNotifier


async def test_a_process_is_not_woken_by_its_own_notification() -> None:
    """Of two processes, only the other one is woken."""
    notifier, log = InMemoryNotifier(), InMemory().log
    one, other = (Notifications(log, "log", notifier, Signal(), Signal()) for _ in range(2))

    async def notified() -> bool:
        return other.appended.count == 2

    with in_time():
        async with anyio.create_task_group() as tasks:
            for task in (one.listen, other.listen, one.announce):
                tasks.start_soon(task)
            await anyio.wait_all_tasks_blocked()
            assert one.appended.count == other.appended.count == 1  # each was woken once for earlier events
            one.committed.send()
            await until(notified)
            assert one.appended.count == 1
            tasks.cancel_scope.cancel()
