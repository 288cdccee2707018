"""Notifications that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from tests.mutants.combinators import changing, ignoring, instead, replacing
from tests.mutants.harness import MutantSuite
from tests.mutants.mutant import Mutant
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


ALL = "test_all_who_listen_hear"

MUTANTS = (
    Mutant("nobody is told", ALL, ignoring("announce")),
    Mutant("one listener is told", ALL, FirstOnly),
    Mutant("it is told once", ALL, changing("watch", heard=_twice)),
    Mutant("logs are one", "test_logs_do_not_mix", replacing("announce", "watch", log="any")),
    Mutant(
        "logs that begin alike are one", "test_logs_do_not_mix", changing("announce", "watch", log=lambda log: log[0])
    ),
    Mutant("nothing is a notification", "test_listening_begins_with_a_hint", instead(watch=_watch_and_chatter)),
    Mutant("nobody leaves", "test_whoever_leaves_hears_no_more", NeverLeaves),
)


class TestMutants(MutantSuite):
    """Broken notifications."""

    suite = NotifierSuite
    mutants = MUTANTS
    kinds = HINTS
    opener = "new_notifier"
    unbroken = Proxy
