"""Requests and replies in this process."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from zlib import crc32

import anyio
from anyio.abc import TaskGroup

from twofold.errors import MessageTooLarge, NoRemoteService, RemoteTimeout
from twofold.ports import LARGEST_BODY, Answerer, Request

logger = logging.getLogger("twofold.memory")

_LEAVING = 5.0
"""How long leaving waits for what is under way, in seconds."""

_LONGEST_PAUSE = 0.5
"""After how many seconds at most a request whose answer failed is tried again."""


@dataclass(order=True, slots=True)
class Asked:
    """A request that has no reply yet."""

    number: int
    request: Request = field(compare=False)
    deadline: float = field(compare=False)
    attempts: int = field(default=0, compare=False)
    reply: bytes | None = field(default=None, compare=False)
    replied: anyio.Event = field(default_factory=anyio.Event, compare=False)


class Server:
    """One block that serves."""

    def __init__(self) -> None:
        self.running = 0

    @property
    def trouble(self) -> None:
        """Nothing keeps it from serving."""
        return None


class Service:
    """What is asked under one name, and who serves it."""

    def __init__(self) -> None:
        self.partitions = 1
        self.servers: list[Server] = []
        self._waiting: list[Asked] = []
        self._busy: set[str] = set()
        self._changed = anyio.Event()

    def add(self, asked: Asked) -> None:
        """Let somebody answer a request."""
        insort(self._waiting, asked)
        self.wake()

    def forget(self, asked: Asked) -> None:
        """Let nobody begin a request any more."""
        if asked in self._waiting:
            self._waiting.remove(asked)

    async def take(self, server: Server) -> Asked:
        """Wait for a request that is this server's to answer, and whose key is free."""
        while True:
            now = anyio.current_time()
            self._waiting = [each for each in self._waiting if each.deadline > now]
            for each in self._waiting:
                key = each.request.key
                if key is None or (key not in self._busy and self._owner(key) is server):
                    self._waiting.remove(each)
                    if key is not None:
                        self._busy.add(key)
                    server.running += 1
                    return each
            await self._changed.wait()

    def done(self, server: Server, asked: Asked) -> None:
        """Free the key of a request; one without a reply waits again."""
        server.running -= 1
        if asked.request.key is not None:
            self._busy.discard(asked.request.key)
        if asked.reply is None:
            insort(self._waiting, asked)
        self.wake()

    async def quiet(self, server: Server) -> None:
        """Wait until a server has nothing under way."""
        while server.running:
            await self._changed.wait()

    def wake(self) -> None:
        """Let everybody look again."""
        self._changed.set()
        self._changed = anyio.Event()

    def _owner(self, key: str) -> Server:
        return self.servers[crc32(key.encode()) % self.partitions % len(self.servers)]


class InMemoryRequests:
    """Carry requests between applications of one process; see `Requests`."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._numbers = count(1)

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request; return the reply.

        Raises:
            NoRemoteService: nobody has ever served under this name here; nothing was done.
            RemoteTimeout: there was no reply by then.
            MessageTooLarge: the body has more than `LARGEST_BODY` bytes; nothing was sent.
        """
        if len(request.body) > LARGEST_BODY:
            raise MessageTooLarge(
                f"cannot ask {service!r}: the request has {len(request.body)} bytes, and {LARGEST_BODY} are allowed. "
                "Send a reference to large data."
            )
        asked_of = self._services.get(service)
        if asked_of is None:
            known = ", ".join(sorted(self._services)) or "none"
            raise NoRemoteService(
                f"cannot ask {service!r}: nobody has served under this name. Known services: {known}. Start it first."
            )
        asked = Asked(next(self._numbers), request, anyio.current_time() + seconds)
        asked_of.add(asked)
        with anyio.move_on_after(seconds):
            await asked.replied.wait()
        if asked.reply is None:
            asked_of.forget(asked)
            raise RemoteTimeout(
                f"{service!r} did not reply within {seconds:g} s. Whether the request was handled is not known: send it "
                "again with the same id."
            )
        return asked.reply

    @asynccontextmanager
    async def serve(
        self, service: str, answer: Answerer, *, partitions: int = 1, concurrency: int = 16
    ) -> AsyncIterator[Server]:
        """Serve requests inside the block; see `Requests.serve`."""
        served = self._services.setdefault(service, Service())
        served.partitions = partitions
        server = Server()
        served.servers.append(server)
        served.wake()
        failed: BaseException | None = None
        try:
            async with anyio.create_task_group() as tasks:
                taking = anyio.CancelScope()
                tasks.start_soon(_take, taking, tasks, served, server, answer, concurrency)
                try:
                    yield server
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # noqa: BLE001 -- raised below, and not as a group
                    failed = error
                taking.cancel()
                if failed is None or isinstance(failed, Exception):
                    with anyio.move_on_after(_LEAVING):
                        await served.quiet(server)
                tasks.cancel_scope.cancel()
        finally:
            served.servers.remove(server)
            served.wake()
        if failed is not None:
            raise failed


async def _take(
    scope: anyio.CancelScope, tasks: TaskGroup, served: Service, server: Server, answer: Answerer, concurrency: int
) -> None:
    free = anyio.Semaphore(concurrency)
    with scope:
        while True:
            await free.acquire()
            asked = await served.take(server)
            tasks.start_soon(_answer, free, served, server, answer, asked)


async def _answer(free: anyio.Semaphore, served: Service, server: Server, answer: Answerer, asked: Asked) -> None:
    try:
        asked.attempts += 1
        try:
            asked.reply = await answer(asked.request)
            asked.replied.set()
        except Exception:
            pause = min(0.01 * 2**asked.attempts, _LONGEST_PAUSE)
            logger.exception("request %s failed and is delivered again in %.2f s", asked.request.id, pause)
            await anyio.sleep(pause)
    finally:
        served.done(server, asked)
        free.release()
