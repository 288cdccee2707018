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


def _twice(heard: Callable[[], None]) -> Callable[[], None]:
    """Call at most twice: once at the beginning, and at the first announcement."""
    left = [heard, heard]
    return lambda: left.pop()() if left else None


async def _watch_and_chatter(notifier: Notifier, log: str, heard: Callable[[], None]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.watch, log, heard)
        while True:
            await anyio.sleep(0.0001)
            heard()


class FirstOnly(Proxy):
    """Lets one listener hear announcements."""

    _first: Callable[[], None] | None = None

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        self._first = self._first or heard
        if heard != self._first:
            heard()
            await anyio.sleep_forever()
        await self.inner.watch(log, heard)


class NeverLeaves(Proxy):
    """Keeps calling listeners that have left."""

    def __init__(self, inner: Notifier) -> None:
        super().__init__(inner)
        self._ever: list[Callable[[], None]] = []

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        self._ever.append(heard)
        await self.inner.watch(log, lambda: [each() for each in self._ever])


MUTANTS: Mutants = {
    "test_all_who_listen_hear": {
        "nobody is told": ignoring("announce"),
        "one listener is told": FirstOnly,
        "it is told once": changing("watch", heard=_twice),
    },
    "test_logs_do_not_mix": {
        "logs are one": replacing("announce", "watch", log="any"),
        "logs that begin alike are one": changing("announce", "watch", log=lambda log: log[0]),
    },
    "test_listening_begins_with_a_hint": {"nothing is a notification": instead(watch=_watch_and_chatter)},
    "test_whoever_leaves_hears_no_more": {"nobody leaves": NeverLeaves},
}


class TestMutants(MutantSuite):
    """Broken notifications."""

    suite = NotifierSuite
    mutants = MUTANTS
    kinds = HINTS
    opener = "new_notifier"
    unbroken = Proxy
