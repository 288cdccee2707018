"""Start worker and writer processes, disturb them, and check the result."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any

from tests.crash import worker, writer
from tests.crash.audit import faults
from tests.crash.points import Fate
from tests.crash.shop import SUBSCRIPTIONS, Stock, application
from tests.crash.stores import Place, Stores, both
from tests.stores import STORES
from twofold.testing.conformance._tools.in_time import CEILING, until

ROUNDS = int(os.environ.get("TWOFOLD_CRASH_ROUNDS", "1"))
"""The number of runs of each test of the lab, with different seeds."""

SERVERS = [kind for kind in STORES if not kind.startswith(("memory", "sqlite"))]
"""Databases that are reached by a network, and of which a transaction locks no more than rows."""

SHORTEST, LONGEST = 0.5, 10.0
"""The minimum and maximum seconds of a worker's lease.

In between, a lease takes twice as long as the preparation of the database. On a busy machine, shorter leases expire
before their renewal, and workers would only take partitions from each other.
"""

PAUSE = 0.1
"""Seconds between two questions to a database that the processes need, too."""

# Each process is forked from one that has imported everything: 0.1 s of CPU instead of more than a second.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.preload"])


class Member:
    """A process of the lab.

    Args:
        name: its name in messages.
        log: the file for its output.
        job: the function that it runs.
        options: the arguments of the job.
    """

    def __init__(self, name: str, log: Path, job: Callable[..., Awaitable[None]], *args: Any, **options: Any) -> None:
        self.name = name
        self.log = log
        self._process = _processes.Process(target=_run, args=(log, job, args, options), name=name, daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.exitcode is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def is_paused(self) -> bool:
        """Return whether a signal has stopped the process and it may be continued."""
        return "State:\tT" in Path(f"/proc/{self._process.pid}/status").read_text()

    def logged(self) -> str:
        """Return the end of its log."""
        return self.log.read_text()[-9000:] if self.log.exists() else ""

    def kill(self) -> None:
        """Kill the process."""
        if self.alive:
            self._process.kill()
        self._process.join(CEILING)

    async def killed(self) -> None:
        """Wait until it has been ended by SIGKILL, by whomever."""
        await until(lambda: not self.alive, with_logs(f"{self.name} was to be killed", self))
        assert self._process.exitcode == -signal.SIGKILL, self._story(
            f"{self.name} ended with {self._process.exitcode}"
        )

    async def stopped(self) -> None:
        """Wait until the process has ended without a failure after SIGTERM.

        The signal may arrive before its handler is installed.
        """
        await until(lambda: not self.alive, with_logs(f"{self.name} was to stop", self))
        assert self._process.exitcode in (0, -signal.SIGTERM), self._story(
            f"{self.name} ended with {self._process.exitcode}"
        )

    def _story(self, found: str) -> str:
        return f"{found}. The end of its log:\n{self.logged()}"


class Lab:
    """One database and the processes that work on it.

    Args:
        url: the database.
        folder: for journals and logs.
        read: the database of the read side, when it is another one.

    Attributes:
        url: the database.
        lease: how long the claims of a worker outlive it, in seconds.
        idle: seconds after which the server ends a session that idles in a transaction; never when None.
        members: every process that was started.
    """

    def __init__(self, url: str, folder: Path, read: str | None = None) -> None:
        self.url = url
        self._read = read
        self.lease = SHORTEST
        self.idle: float | None = None
        self.members: list[Member] = []
        self._folder = folder
        self._steps = folder / "steps"
        self._numbers = count(1)
        self._journals: list[Path] = []

    async def prepare(self) -> None:
        """Create the tables and the accounts; choose the lease."""
        began = time.monotonic()
        async with self._opened() as stores:
            app = application(stores.write, work=False, lease=self.lease, read=stores.read)
            await app.create_schema()
            async with app:
                await app.dispatch(Stock())
        self.lease = min(max(SHORTEST, 2 * (time.monotonic() - began)), LONGEST)

    def worker(
        self,
        fate: Fate | None = None,
        *,
        url: str | None = None,
        store: Callable[[Any], Any] | None = None,
    ) -> Member:
        """Start a worker, on the database or on another way to it, perhaps with a store that breaks a promise."""
        options: dict[str, Any] = {"fate": fate, "steps": self._steps, "lease": self.lease, "idle": self.idle}
        options |= {"store": store, "read": self._read}
        return self._start(f"worker{next(self._numbers)}", worker.work, url or self.url, **options)

    def writer(self, seed: object, fate: Fate | None = None, *, url: str | None = None, pause: float = 0.1) -> Member:
        """Start a writer, on the database or on another way to it."""
        name = f"writer{next(self._numbers)}"
        self._journals.append(self._folder / f"{name}.journal")
        options = {"fate": fate, "pause": pause, "idle": self.idle, "read": self._read}
        return self._start(name, writer.write, url or self.url, f"{name}-{seed}", self._journals[-1], **options)

    def end_idle(self) -> None:
        """Let the server end each session of later processes that idles in a transaction for longer than a lease."""
        self.idle = self.lease

    async def relay(self, start: Callable[[Fate], Member], fates: Sequence[Fate], *, together: int) -> None:
        """Start a process for each fate, a limited number at the same time. Wait until each has met its fate."""
        waiting, running = deque(fates), deque[Member]()
        while waiting or running:
            while waiting and len(running) < together:
                running.append(start(waiting.popleft()))
            await until(
                lambda: not all(each.alive for each in running), with_logs("one process was to meet its fate", *running)
            )
            ended = [each for each in running if not each.alive]
            for each in ended:
                await each.killed()
                running.remove(each)

    def answered(self) -> int:
        """Return how many commands were answered by now."""
        return sum(journal.read_bytes().count(b"\n") for journal in self._journals if journal.exists())

    async def more(self, commands: int) -> None:
        """Wait until this number of further commands was answered."""
        wanted = self.answered() + commands
        await until(
            lambda: self.answered() >= wanted, with_logs(f"{commands} more commands were to be answered", *self.members)
        )

    async def held_by(self, *workers: int) -> None:
        """Wait until the partitions of every subscription have the given number of owners."""

        async def held() -> bool:
            partitions = [
                each for name in SUBSCRIPTIONS for each in await stores.of(name).subscriptions.partitions(name)
            ]
            owners = {each.owner for each in partitions}
            return bool(partitions) and None not in owners and len(owners) in workers

        async with self._opened() as stores:
            expected = with_logs(f"{workers} workers were to hold all partitions", *self.members)
            await until(held, expected, pause=PAUSE)

    async def caught_up(self) -> None:
        """Wait until every subscription has passed the current end of the log."""

        async def passed() -> bool:
            found = [await stores.of(name).subscriptions.checkpoint(name) for name in SUBSCRIPTIONS]
            return all(each is not None and each.position >= head for each in found)

        async with self._opened() as stores:
            head = await stores.write.log.head()
            await until(passed, with_logs(f"all subscriptions were to pass {head}", *self.members), pause=PAUSE)

    async def finish(self) -> None:
        """Stop all processes, let an undisturbed application settle, and check the result."""
        running = [member for member in self.members if member.alive]
        for member in running:
            member.send(signal.SIGTERM)
        for member in running:
            await member.stopped()
        async with self._opened() as stores:
            async with application(stores.write, work=True, lease=self.lease, read=stores.read) as app:
                await app.settle(timeout=CEILING)
            found = await faults(stores, self._journals, self._steps)
        assert not found, "\n".join(found[:40])
        assert self.answered()

    def close(self) -> None:
        """Kill the remaining processes."""
        for member in self.members:
            member.kill()

    def _opened(self) -> AbstractAsyncContextManager[Stores]:
        return both(Place(self.url, self._read))

    def _start(self, name: str, job: Callable[..., Awaitable[None]], *args: Any, **options: Any) -> Member:
        member = Member(name, self._folder / f"{name}.log", job, *args, **options)
        self.members.append(member)
        return member


def with_logs(what: str, *members: Member) -> Callable[[], str]:
    """Return a function that adds the logs of some processes to an expectation."""
    return lambda: "\n".join([what, *(f"{each.name}: {each.logged()}" for each in members)])


def _end_with_the_tests() -> None:
    """End this process when the tests end without killing it; it would work on its database indefinitely."""
    tests = multiprocessing.parent_process()
    assert tests is not None
    tests.join()
    os._exit(1)


def _run(log: Path, job: Callable[..., Any], args: Any, options: Any) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    asyncio.run(job(*args, **options))
