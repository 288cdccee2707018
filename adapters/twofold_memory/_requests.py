"""Requests and replies in this process."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import anyio
from anyio.abc import TaskGroup

from twofold.errors import NoRemoteService, RemoteTimeout
from twofold.ports import Answerer, Request, check_body, partition_of

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
    forgotten: bool = field(default=False, compare=False)
    replied: anyio.Event = field(default_factory=anyio.Event, compare=False)


class Server:
    """One block that serves."""

    def __init__(self) -> None:
        self.running: set[anyio.CancelScope] = set()

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
        self._drop_late()
        insort(self._waiting, asked)
        self.wake()

    def forget(self, asked: Asked) -> None:
        """Let nobody begin a request any more."""
        asked.forgotten = True
        if asked in self._waiting:
            self._waiting.remove(asked)

    async def take(self, server: Server) -> Asked:
        """Wait for a request that is this server's to answer, and whose key is free."""
        while True:
            self._drop_late()
            for each in self._waiting:
                key = each.request.key
                if key is None or (key not in self._busy and self._owner(key) is server):
                    self._waiting.remove(each)
                    if key is not None:
                        self._busy.add(key)
                    return each
            await self._changed.wait()

    def done(self, asked: Asked) -> None:
        """Free the key of a request; one without a reply waits again."""
        if asked.request.key is not None:
            self._busy.discard(asked.request.key)
        if asked.reply is None and not asked.forgotten:
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

    def _drop_late(self) -> None:
        now = anyio.current_time()
        self._waiting = [each for each in self._waiting if each.deadline > now]

    def _owner(self, key: str) -> Server:
        return self.servers[partition_of(key, self.partitions) % len(self.servers)]


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
            MessageTooLarge: the body has more than `LARGEST_BODY` bytes, and nothing was sent; or the reply has.
        """
        check_body(request.body, f"send {request.id} to {service!r}")
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
        check_body(asked.reply, f"receive what {service!r} replies to {request.id}, which it has handled")
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
                    await _leave(taking, served, server)
                    raise
                except BaseException as error:  # noqa: BLE001 -- raised below, and not as a group
                    failed = error
                if failed is None or isinstance(failed, Exception):
                    await _leave(taking, served, server)
                tasks.cancel_scope.cancel()
        finally:
            served.servers.remove(server)
            served.wake()
        if failed is not None:
            raise failed


async def _leave(taking: anyio.CancelScope, served: Service, server: Server) -> None:
    """Begin nothing more, wait a moment for what is under way, and give up the rest."""
    taking.cancel()
    with anyio.CancelScope(shield=True), anyio.move_on_after(_LEAVING):
        await served.quiet(server)
    for each in tuple(server.running):
        each.cancel()


async def _take(
    scope: anyio.CancelScope, tasks: TaskGroup, served: Service, server: Server, answer: Answerer, concurrency: int
) -> None:
    free = anyio.Semaphore(concurrency)
    with scope:
        while True:
            await free.acquire()
            asked = await served.take(server)
            alone = anyio.CancelScope(shield=True)  # it outlives the cancellation of its server
            server.running.add(alone)
            tasks.start_soon(_answer, alone, free, served, server, answer, asked)


async def _answer(
    scope: anyio.CancelScope, free: anyio.Semaphore, served: Service, server: Server, answer: Answerer, asked: Asked
) -> None:
    with scope:
        asked.attempts += 1
        try:
            asked.reply = await answer(asked.request)
            asked.replied.set()
        except Exception:
            pause = min(0.01 * 2**asked.attempts, _LONGEST_PAUSE)
            logger.exception("request %s failed and is delivered again in %.2f s", asked.request.id, pause)
            await anyio.sleep(pause)
        finally:
            server.running.discard(scope)
            served.done(asked)
            free.release()
