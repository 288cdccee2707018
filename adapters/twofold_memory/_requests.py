"""Requests and replies in this process."""

from __future__ import annotations

from bisect import insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import anyio
from anyio.abc import TaskGroup

from twofold.errors import NoRemoteService, RemoteTimeout
from twofold.ports import Answerer, Backoff, Request, check_body, logger_of, partition_of

logger = logger_of("twofold.memory")

_SHUTDOWN = 5.0
"""Seconds that a server waits for its current requests when it shuts down."""

_FIRST_PAUSE = 0.02
_LAST_PAUSE = 0.5
"""The first and the longest pause before a failed request is delivered again, in seconds."""


@dataclass(order=True, slots=True)
class Pending:
    """A request that has no reply yet. Requests are ordered by their numbers."""

    number: int
    request: Request = field(compare=False)
    deadline: float = field(compare=False)
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE, _LAST_PAUSE), compare=False)
    reply: bytes | None = field(default=None, compare=False)
    withdrawn: bool = field(default=False, compare=False)
    replied: anyio.Event = field(default_factory=anyio.Event, compare=False)


class Server:
    """One block that serves."""

    def __init__(self) -> None:
        self.running: set[anyio.CancelScope] = set()

    @property
    def problem(self) -> None:
        """Always None: receiving does not fail."""
        return None


class Service:
    """The pending requests of one service, and its servers."""

    def __init__(self) -> None:
        self.partitions = 1
        self.servers: list[Server] = []
        self._waiting: list[Pending] = []
        self._busy: set[str] = set()
        self._changed = anyio.Event()

    def add(self, pending: Pending) -> None:
        """Add a request."""
        self._drop_late()
        insort(self._waiting, pending)
        self.wake()

    def withdraw(self, pending: Pending) -> None:
        """Remove a request whose client has stopped waiting."""
        pending.withdrawn = True
        if pending in self._waiting:
            self._waiting.remove(pending)

    async def take(self, server: Server) -> Pending:
        """Wait for a request in a partition of this server whose key is free."""
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

    def done(self, pending: Pending) -> None:
        """Release the key of a request. A request without a reply waits again."""
        if pending.request.key is not None:
            self._busy.discard(pending.request.key)
        if pending.reply is None and not pending.withdrawn:
            insort(self._waiting, pending)
        self.wake()

    async def idle(self, server: Server) -> None:
        """Wait until a server handles no request."""
        while server.running:
            await self._changed.wait()

    def wake(self) -> None:
        """Wake the servers."""
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
        """Send a request. Return the reply.

        Raises:
            NoRemoteService: no application has served under this name here; nothing was done.
            RemoteTimeout: there was no reply in time.
            MessageTooLarge: the body has more than `LARGEST_BODY` bytes, and nothing was sent; or the reply has.
        """
        check_body(request.body, f"send {request.id} to {service!r}")
        found = self._services.get(service)
        if found is None:
            known = ", ".join(sorted(self._services)) or "none"
            raise NoRemoteService(
                f"cannot send {request.id} to {service!r}: no application has served under this name. Known services: "
                f"{known}. Start the application of that name first."
            )
        pending = Pending(next(self._numbers), request, anyio.current_time() + seconds)
        found.add(pending)
        with anyio.move_on_after(seconds):
            await pending.replied.wait()
        if pending.reply is None:
            found.withdraw(pending)
            raise RemoteTimeout(
                f"{service!r} did not reply to {request.id} within {seconds:g} s; it may have handled the request. Send it "
                "again with the same id."
            )
        check_body(pending.reply, f"receive the reply of {service!r} to {request.id}, which was handled")
        return pending.reply

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
                    await _shut_down(taking, served, server)
                    raise
                except BaseException as error:  # noqa: BLE001 -- raised below, outside the task group's exception group
                    failed = error
                if failed is None or isinstance(failed, Exception):
                    await _shut_down(taking, served, server)
                tasks.cancel_scope.cancel()
        finally:
            served.servers.remove(server)
            served.wake()
        if failed is not None:
            raise failed


async def _shut_down(taking: anyio.CancelScope, served: Service, server: Server) -> None:
    """Start no more requests, wait a few seconds for the current ones, and cancel the rest."""
    taking.cancel()
    with anyio.CancelScope(shield=True), anyio.move_on_after(_SHUTDOWN):
        await served.idle(server)
    for each in tuple(server.running):
        each.cancel()


async def _take(
    scope: anyio.CancelScope, tasks: TaskGroup, served: Service, server: Server, answer: Answerer, concurrency: int
) -> None:
    free = anyio.Semaphore(concurrency)
    with scope:
        while True:
            await free.acquire()
            pending = await served.take(server)
            handling = anyio.CancelScope(shield=True)  # the request outlives the cancellation of its server
            server.running.add(handling)
            tasks.start_soon(_handle, handling, free, served, server, answer, pending)


async def _handle(
    scope: anyio.CancelScope, free: anyio.Semaphore, served: Service, server: Server, answer: Answerer, pending: Pending
) -> None:
    with scope:
        try:
            pending.reply = await answer(pending.request)
            pending.replied.set()
        except Exception:
            pause = pending.backoff.next()
            logger.exception("request %s failed and is delivered again in %.2f s", pending.request.id, pause)
            await anyio.sleep(pause)
        finally:
            server.running.discard(scope)
            served.done(pending)
            free.release()
