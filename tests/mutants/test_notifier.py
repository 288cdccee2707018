"""Notifications that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from tests.mutants.combinators import changing, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.notifier import HINTS
from twofold.ports import Notifier
from twofold.testing.conformance import NotifierSuite
from twofold.testing.conformance._tools.proxy import Proxy


def _twice(notify: Callable[[str], None]) -> Callable[[str], None]:
    """Call at most twice: once at the beginning, and at the first announcement."""
    left = [notify, notify]
    return lambda origin: left.pop()(origin) if left else None


async def _watch_and_chatter(notifier: Notifier, log: str, notify: Callable[[str], None]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.watch, log, notify)
        while True:
            await anyio.sleep(0.0001)
            notify("")


class FirstOnly(Proxy):
    """Notifies only one listener."""

    _first: Callable[[str], None] | None = None

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        self._first = self._first or notify
        if notify != self._first:
            notify("")
            await anyio.sleep_forever()
        await self.inner.watch(log, notify)


class NeverLeaves(Proxy):
    """Keeps calling listeners that have left."""

    def __init__(self, inner: Notifier) -> None:
        super().__init__(inner)
        self._ever: list[Callable[[str], None]] = []

    async def watch(self, log: str, notify: Callable[[str], None]) -> None:
        self._ever.append(notify)
        await self.inner.watch(log, lambda origin: [each(origin) for each in self._ever])


MUTANTS: Mutants = {
    "test_all_listeners_are_notified": {
        "nobody is told": ignoring("announce"),
        "one listener is told": FirstOnly,
        "it is told once": changing("watch", notify=_twice),
    },
    "test_a_notification_has_the_origin_of_its_announcement": {
        "the origin is lost": replacing("announce", origin=""),
        "the origin is another one": replacing("announce", origin="x"),
    },
    "test_logs_do_not_mix": {
        "logs are one": replacing("announce", "watch", log="any"),
        "logs that begin alike are one": changing("announce", "watch", log=lambda log: log[0]),
    },
    "test_listening_begins_with_a_hint": {"nothing is a notification": instead(watch=_watch_and_chatter)},
    "test_a_listener_that_left_is_not_notified": {"nobody leaves": NeverLeaves},
}


class TestMutants(MutantSuite):
    """Broken notifications."""

    suite = NotifierSuite
    mutants = MUTANTS
    kinds = HINTS
    opener = "new_notifier"
    unbroken = Proxy
