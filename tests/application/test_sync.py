"""Callers without an event loop use an application through `app.sync`, in any number of threads."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any

import anyio
import pytest

from tests.application.sync_bank import USER, AllPayments, GetPayment, Pay, Payment, bank
from twofold import Application, Command, Query
from twofold.errors import ApplicationNotRunning, BlockingCall, InvalidToken, WiringError
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemory


class Work(Command[None]):
    pass


class Count(Query[AsyncIterator[int]]):
    pass


@pytest.fixture
def anyio_backend() -> str:
    """Run on the event loop that other threads can call."""
    return "asyncio"


@pytest.fixture
def app() -> Iterator[Application]:
    """Give the bank, and stop it."""
    app = bank(InMemory())
    yield app
    app.sync.close()


def working(app: Application, work: Callable[[], Any]) -> Application:
    """Let a command call a function: `await` its result."""

    @app.command_handler(Work)
    async def handler(command: Work) -> None:
        await work()

    return app


def test_the_first_call_starts_the_application(app: Application) -> None:
    """Commands, queries, streams, health and settling work as with `await`."""
    assert app.sync.dispatch(Pay(id="1"), idempotency_key="k") == "1"
    assert app.sync.dispatch(Pay(id="1"), idempotency_key="k") == "1"
    app.sync.settle(timeout=CEILING)
    assert app.sync.execute(GetPayment(id="1")) == Payment(id="1")
    assert list(app.sync.stream(AllPayments())) == [Payment(id="1")]
    assert app.sync.health().healthy
    assert [each.name for each in app.sync.run(app.operations.status)] == ["payments"]


def test_a_session_reads_its_own_writes(app: Application) -> None:
    """A session waits for its writes in queries and streams, and its token carries them to another one."""
    with app.sync.session() as session:
        session.dispatch(Pay(id="1"))
        assert session.execute(GetPayment(id="1"), timeout=CEILING) == Payment(id="1")
        assert list(session.stream(AllPayments(), timeout=CEILING)) == [Payment(id="1")]
        assert session.execute_stale(GetPayment(id="1")).lag == 0
    assert app.sync.session(session.token).token == session.token
    with pytest.raises(InvalidToken):
        app.sync.session("x")


def test_a_session_has_the_other_calls(app: Application) -> None:
    """A session receives, schedules and cancels."""
    session = app.sync.session(tenant="blue")
    assert [session.receive("bank", "1", Pay(id="1")) for _ in range(2)] == [True, False]
    name = session.schedule(Pay(id="2"), at=app.clock.now().replace(year=2100))
    assert [session.cancel(name) for _ in range(2)] == [True, False]


def test_threads_start_one_application(app: Application) -> None:
    """Threads whose first calls come at the same time share one application and one event loop."""
    together = Barrier(8)

    def pay(number: int) -> str:
        together.wait(CEILING)
        return app.sync.dispatch(Pay(id=str(number)))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(pay, range(8))) == [str(number) for number in range(8)]
    assert [each.name for each in threading.enumerate()].count("twofold-sync") == 1


def test_threads_may_share_a_session(app: Application) -> None:
    """The calls of several threads in one session run one after another, and the token has all of them."""
    session, together = app.sync.session(), Barrier(4)

    def pay(number: int) -> None:
        together.wait(CEILING)
        session.dispatch(Pay(id=str(number)))
        assert session.execute(GetPayment(id=str(number)), timeout=CEILING)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(pay, range(4)))
    later = app.sync.session(session.token)
    assert all(later.execute(GetPayment(id=str(number)), timeout=CEILING) for number in range(4))


def test_a_handler_sees_the_context_of_the_caller(app: Application) -> None:
    """Context variables of the calling thread, such as those of tracing, are set in the handler."""
    before = USER.set(" by ada")
    try:
        assert app.sync.dispatch(Pay(id="1")) == "1 by ada"
    finally:
        USER.reset(before)


async def test_a_call_inside_an_event_loop_is_refused(app: Application) -> None:
    """A call that would stop the loop is an error that names the async call."""
    for call in (lambda: app.sync.dispatch(Pay(id="1")), app.sync.start, app.sync.close, app.sync.create_schema):
        with pytest.raises(BlockingCall, match="event loop"):
            call()


def test_a_call_inside_a_handler_is_refused(app: Application) -> None:
    """A sync handler runs in a thread. Its unit of work would not include a blocking call."""

    @app.command_handler(Work)
    def handler(command: Work) -> None:
        app.sync.dispatch(Pay(id="1"))

    with pytest.raises(BlockingCall, match="CommandBus"):
        app.sync.dispatch(Work())


async def test_a_thread_of_a_running_application_uses_its_loop() -> None:
    """Where the application runs already, as in a web server, threads call it there, and do not stop it."""
    app = bank(InMemory())
    async with app:
        assert await asyncio.to_thread(app.sync.dispatch, Pay(id="1")) == "1"
        await asyncio.to_thread(app.sync.close)
        assert await app.dispatch(Pay(id="2")) == "2"
        assert await asyncio.to_thread(app.sync.session) is not None


def test_a_closed_application_starts_again(app: Application) -> None:
    """A call after `close` starts the application. A session of the earlier run is refused."""
    with app.sync as sync:
        session = sync.session()
        session.dispatch(Pay(id="1"))
    app.sync.close()  # closing twice does nothing
    assert app.sync.dispatch(Pay(id="2")) == "2"
    with pytest.raises(ApplicationNotRunning):
        session.dispatch(Pay(id="3"))


def test_faults_of_the_wiring_reach_the_caller() -> None:
    """The first call raises the faults, and so does the next."""
    app = Application("faulty", write=InMemory())
    app.expects(Pay)
    for _ in range(2):
        with pytest.raises(WiringError):
            app.sync.start()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_of_a_handler_reaches_the_caller(app: Application, error: type[BaseException]) -> None:
    """The caller gets every error of a handler, and the event loop continues."""

    async def fail() -> None:
        raise error("broken")

    working(app, fail)
    with pytest.raises(error, match="broken"):
        app.sync.dispatch(Work())
    assert app.sync.dispatch(Pay(id="1")) == "1"


def test_an_interrupted_call_is_cancelled(app: Application) -> None:
    """When a signal interrupts the wait, the handler is cancelled."""
    cancelled, main = threading.Event(), threading.get_ident()

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: Any) -> None:
        raise Interrupted

    async def wait() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    working(app, wait)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            app.sync.dispatch(Work())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert cancelled.wait(CEILING)


def counting(app: Application, end: Callable[[], None]) -> threading.Event:
    """Let a query count without end, or until a function raises. Return the event that its end sets."""
    closed = threading.Event()

    @app.query_handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
                if number == 100:
                    end()
        finally:
            closed.set()

    return closed


def test_a_stream_is_closed_with_its_generator(app: Application) -> None:
    """A stream that is not read to its end is closed when `close` returns."""
    closed = counting(app, lambda: None)
    with closing(app.sync.stream(Count())) as numbers:
        assert [next(numbers) for _ in range(1_000)] == list(range(1_000))
        assert not closed.is_set()
    assert closed.is_set()


def test_a_stream_that_is_left_is_closed(app: Application) -> None:
    """The garbage collector closes a generator that was left, in whatever thread it runs."""
    closed = counting(app, lambda: None)
    numbers = app.sync.stream(Count())
    assert next(numbers) == 0

    async def collect() -> None:
        nonlocal numbers
        del numbers
        gc.collect()

    app.sync.run(collect)
    assert closed.wait(CEILING)


def test_an_error_ends_a_stream(app: Application) -> None:
    """An error in mid-stream reaches the caller after the items before it."""

    def fail() -> None:
        raise ValueError("broken")

    counting(app, fail)
    numbers, seen = app.sync.stream(Count()), list[int]()
    with pytest.raises(ValueError, match="broken"):
        seen.extend(numbers)
    assert seen == list(range(100))


def test_the_application_stops_when_the_process_exits() -> None:
    """A process that ends without `close` stops its application. Nothing can be started from then on."""
    program = """
import atexit
from tests.application.sync_bank import Pay, bank
from twofold_memory import InMemory

class Store(InMemory):
    async def close(self):
        print("closed")

app = bank(Store())
def late():
    try:
        app.sync.dispatch(Pay(id="2"))
    except Exception as error:
        print(type(error).__name__)
atexit.register(late)
print(app.sync.dispatch(Pay(id="1")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=CEILING, check=False)
    assert (done.stdout, done.stderr) == ("1\nclosed\nApplicationNotRunning\n", "")
