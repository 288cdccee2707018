"""Hints that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from twofold.ports import Hints

from .mutant import PortMutant


class Unbroken:
    """Passes everything on."""

    def __init__(self, inner: Hints) -> None:
        self.inner = inner

    async def announce(self, log: str) -> None:
        await self.inner.announce(log)

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        await self.inner.watch(log, heard)


class Mute(Unbroken):
    """Tells nobody."""

    async def announce(self, log: str) -> None:
        return None


class OneLog(Unbroken):
    """Takes all logs for one."""

    async def announce(self, log: str) -> None:
        await self.inner.announce("any")

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        await self.inner.watch("any", heard)


class Prefixes(Unbroken):
    """Takes a log for another one whose name begins alike."""

    async def announce(self, log: str) -> None:
        await self.inner.announce(log[0])

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        await self.inner.watch(log[0], heard)


class FirstOnly(Unbroken):
    """Lets one listener hear what is announced."""

    def __init__(self, inner: Hints) -> None:
        super().__init__(inner)
        self._first: Callable[[], None] | None = None

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        self._first = self._first or heard
        if heard is not self._first and heard != self._first:
            heard()
            await anyio.sleep_forever()
        await self.inner.watch(log, heard)


class Once(Unbroken):
    """Hears one announcement, and no other."""

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        times = 0

        def at_first() -> None:
            nonlocal times
            times += 1
            if times <= 2:
                heard()

        await self.inner.watch(log, at_first)


class Chatters(Unbroken):
    """Hints although nothing was announced."""

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.inner.watch, log, heard)
            while True:
                await anyio.sleep(0.0001)
                heard()


class NeverLeaves(Unbroken):
    """Goes on calling who does not listen any more."""

    def __init__(self, inner: Hints) -> None:
        super().__init__(inner)
        self._ever: list[Callable[[], None]] = []

    async def watch(self, log: str, heard: Callable[[], None]) -> None:
        self._ever.append(heard)

        def all_hear() -> None:
            for each in self._ever:
                each()

        await self.inner.watch(log, all_hear)


HINTS = (
    PortMutant("nobody is told", "test_all_who_listen_hear", Mute),
    PortMutant("one listener is told", "test_all_who_listen_hear", FirstOnly),
    PortMutant("it is told once", "test_all_who_listen_hear", Once),
    PortMutant("logs are one", "test_logs_do_not_mix", OneLog),
    PortMutant("logs that begin alike are one", "test_logs_do_not_mix", Prefixes),
    PortMutant("nothing is a hint", "test_listening_begins_with_a_hint", Chatters),
    PortMutant("nobody leaves", "test_whoever_leaves_hears_no_more", NeverLeaves),
)
"""Each is killed by the named test of `HintsSuite`."""
