"""Sessions and streams for callers that block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import aclosing
from datetime import datetime
from threading import Lock
from typing import Any, Self, TypeVar

from .._background.forks import after_fork
from .._background.private_loop import blocking
from .._definitions.gathered import Gathered, Policy
from .._definitions.message import Command, Query
from .._dispatch.queries import Answer
from .._dispatch.session import DEFAULT_TIMEOUT, Session
from ..errors import BlockingCall

R = TypeVar("R")

_READ_AHEAD = 16
"""The number of items that a stream reads before the caller asks for them."""


class SyncSession:
    """Commands and queries with causal consistency, for callers that block; see `Session`.

    Open one with `app.sync.session()`. Several threads may use it, and their calls run one after another. A forked process
    opens sessions of its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, session: Session) -> None:
        self._loop = loop
        self._session = session
        self._lock = Lock()
        after_fork(self, SyncSession._forget)

    def _forget(self) -> None:
        self._lock = Lock()

    @property
    def token(self) -> str:
        """The consistency token: the writes of this session, as an opaque text for a header. Empty if it wrote nothing."""
        with self._lock:
            return self._session.token

    def dispatch(self, command: Command[R], *, idempotency_key: str | None = None) -> R:
        """Handle a command and return its result after its changes are committed; see `Session.dispatch`."""
        return self._call(lambda session: session.dispatch(command, idempotency_key=idempotency_key))

    def execute(self, query: Query[R], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None) -> R:
        """Answer a query from read models that contain the writes of this session; see `Session.execute`."""
        return self._call(lambda session: session.execute(query, timeout=timeout, after=after))

    def execute_stale(self, query: Query[R], *, after: str | None = None) -> Answer[R]:
        """Answer a query without waiting; see `Session.execute_stale`."""
        return self._call(lambda session: session.execute_stale(query, after=after))

    def gather(
        self,
        query: Query[R],
        *,
        policy: Policy = "all",
        timeout: float = DEFAULT_TIMEOUT,
        after: str | None = None,
    ) -> Gathered[R]:
        """Ask all answerers of a query; see `Session.gather`."""
        return self._call(lambda session: session.gather(query, policy=policy, timeout=timeout, after=after))

    def stream(
        self, query: Query[AsyncIterator[R]], *, timeout: float = DEFAULT_TIMEOUT, after: str | None = None
    ) -> Generator[R]:
        """Iterate over the answer of a streaming query; see `Session.stream`.

        Close the generator (`contextlib.closing`) if you stop early: its read transaction stays open until then.
        """
        return iterated(
            lambda: self._loop, lambda: self._session.continued().stream(query, timeout=timeout, after=after)
        )

    def receive(self, consumer: str, id: str, command: Command[Any]) -> bool:
        """Handle a command from a broker once; see `Session.receive`."""
        return self._call(lambda session: session.receive(consumer, id, command))

    def schedule(self, command: Command[Any], *, at: datetime, id: str | None = None) -> str:
        """Dispatch a command at a given time, and return the id to cancel it by; see `Session.schedule`."""
        return self._call(lambda session: session.schedule(command, at=at, id=id))

    def cancel(self, id: str) -> bool:
        """Cancel a scheduled command; see `Session.cancel`."""
        return self._call(lambda session: session.cancel(id))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def _call(self, call: Callable[[Session], Coroutine[Any, Any, R]]) -> R:
        with self._lock:
            return blocking(self._loop, lambda: call(self._session.continued()))


def iterated(
    loop_of: Callable[[], asyncio.AbstractEventLoop], items_of: Callable[[], AsyncGenerator[R]]
) -> Generator[R]:
    """Iterate over an async generator in a loop. One task reads it, so that its transaction stays in one task.

    Args:
        loop_of: returns the loop, when the first item is wanted.
        items_of: returns the generator, in the loop.
    """
    loop = loop_of()
    queue: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue(_READ_AHEAD)

    async def read() -> None:
        end: BaseException = StopIteration()
        try:
            async with aclosing(items_of()) as items:
                async for item in items:
                    await queue.put((item, None))
        except Exception as error:  # noqa: BLE001 -- the caller gets it
            end = error
        await queue.put((None, end))

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(read())

    async def close() -> None:
        reading.cancel()
        await asyncio.wait([reading])

    reading = blocking(loop, begin)
    try:
        while True:
            item, end = blocking(loop, queue.get)
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item
    finally:
        try:
            blocking(loop, close)
        except BlockingCall:  # the garbage collector closes the generator, in the thread of the loop
            loop.call_soon_threadsafe(reading.cancel)
