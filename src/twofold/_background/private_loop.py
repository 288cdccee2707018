"""The private event loop of a process: blocking code calls async functions in its thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakKeyDictionary

import anyio.lowlevel

from ..errors import ApplicationNotRunning, BlockingCall
from .current import current
from .forks import after_fork

T = TypeVar("T")

Call = Callable[[], Coroutine[Any, Any, T]]


class PrivateLoop:
    """An event loop in a daemon thread, which is started by the first call.

    A forked process forgets the loop of its parent, and starts its own with its first call.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        after_fork(self, PrivateLoop._forget)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop. Start it if there is none, or if its thread has ended."""
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop, running = asyncio.new_event_loop(), Event()
                self._thread = Thread(target=_run, args=(self._loop, running), name="twofold-sync", daemon=True)
                self._thread.start()
                running.wait()
            return self._loop

    def stop(self) -> None:
        """Cancel what runs in the loop, and end its thread."""
        with self._lock:
            if self._loop is not None and self._thread is not None and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
            self._loop = self._thread = None

    def _forget(self) -> object:
        """Forget the loop of the parent process, and return it."""
        of_parent, self._lock = (self._loop, self._thread), Lock()
        self._loop = self._thread = None
        return of_parent


def _run(loop: asyncio.AbstractEventLoop, running: Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(running.set)
    try:
        loop.run_forever()
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


private_loop: Final = PrivateLoop()
"""The private loop of this process."""


_processes: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
"""The process of each loop that was called: a forked process has the loops of its parent, and their threads do not run."""


def check_blocking() -> None:
    """Check that a blocking call may be made here.

    Raises:
        BlockingCall: an event loop runs in this thread, or a handler called this thread.
    """
    if current.get() is not None:
        raise BlockingCall(
            "cannot make a blocking call of app.sync inside a handler: it would not be part of the handler's unit of "
            "work. Take a CommandBus, a QueryBus or a Scheduler as a parameter of the handler."
        )
    try:
        anyio.lowlevel.current_token()
    except RuntimeError:
        return  # no event loop runs in this thread
    raise BlockingCall(
        "cannot make a blocking call of app.sync inside an event loop: it would stop the loop. Await the async call "
        "instead, such as app.dispatch(command), or make the blocking call in a thread."
    )


def blocking(loop: asyncio.AbstractEventLoop, call: Call[T]) -> T:
    """Call an async function in a loop, and wait for its result. If the wait is interrupted, the function is cancelled.

    Raises:
        BlockingCall: an event loop runs in this thread, or a handler called this thread.
        ApplicationNotRunning: the loop runs in the parent of this process.
    """
    check_blocking()
    if _processes.setdefault(loop, os.getpid()) != os.getpid():
        raise ApplicationNotRunning(
            "cannot use a session or a stream that the parent process opened before the fork. Open one in this process."
        )

    async def run() -> Callable[[], T]:
        try:
            result = await call()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 -- the caller gets it; SystemExit would end the thread of the loop
            failure = error
        else:
            return lambda: result
        return partial(_raise, failure)

    future = asyncio.run_coroutine_threadsafe(run(), loop)
    try:
        outcome = future.result()
    except BaseException:
        future.cancel()
        raise
    return outcome()


def _raise(error: BaseException) -> NoReturn:
    raise error
