"""Queries with several handlers in one application: sessions, nesting, cancellation, and errors of any kind."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from twofold import Application, AtLeast, Command, Event, Gathered, Query, ReadModel, Session, UnitOfWork, View, on
from twofold.errors import AnswerTimeout, InvalidAnswer, InvalidToken, NoHandler, RemoteTimeout
from twofold.ports import Request, Requests
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold_memory import InMemory, InMemoryTransport


class Count(Query[int]):
    pass


class Named(Query[int], name="gathering.named"):
    pass


class Noted(Event, name="gathering.noted"):
    pass


class Note(Command[None]):
    pass


class Gather(Command[Gathered[int]]):
    pass


class Notes(View, name="gathering_notes", key="id"):
    id: str
    number: int


@pytest.fixture
def app() -> Application:
    """Return an application without answerers."""
    return Application("gathering", write=InMemory())


def answering(app: Application, **answers: Any) -> None:
    """Register a handler for each name, which returns a value or raises an error."""
    for name, answer in answers.items():

        async def count(query: Count, answer: Any = answer) -> int:
            if isinstance(answer, BaseException):
                raise answer
            number: int = answer
            return number

        app.query_handler(Count, many=True, name=name)(count)


async def test_handlers_see_the_writes_of_the_session(app: Application) -> None:
    """Each handler waits for its own read models."""

    @app.command_handler(Note)
    async def note(command: Note, unit: UnitOfWork) -> None:
        unit.record(Noted(), stream="notes")

    @app.projection("notes")
    class Counting:
        def __init__(self, rows: ReadModel[Notes]) -> None:
            self.rows = rows

        @on(Noted)
        async def noted(self, event: Noted) -> None:
            row = await self.rows.get("all")
            await self.rows.put(Notes(id="all", number=1 + (row.number if row else 0)))

    @app.query_handler(Count, many=True, name="rows")
    async def count(query: Count, rows: ReadModel[Notes]) -> int:
        row = await rows.get("all")
        return row.number if row else 0

    answering(app, constant=7)
    await app.create_schema()
    async with app, app.session() as session:
        for number in range(1, 11):
            await session.dispatch(Note())
            gathered = await session.gather(Count(), timeout=CEILING)
            assert gathered.answers == {"rows": number, "constant": 7}
        with pytest.raises(InvalidToken):
            await app.gather(Count(), after="no token")


async def test_a_handler_gathers(app: Application) -> None:
    """A command handler may gather answers with its session."""

    @app.command_handler(Gather)
    async def gather(command: Gather, session: Session) -> Gathered[int]:
        return await session.gather(Count())

    answering(app, a=1, b=2)
    async with app:
        assert (await app.dispatch(Gather())).answers == {"a": 1, "b": 2}


async def test_a_cancelled_call_cancels_its_answerers(app: Application) -> None:
    """No answerer runs on when the call is cancelled."""
    begun, cancelled = anyio.Event(), anyio.Event()

    @app.query_handler(Count, many=True, name="slow")
    async def slow(query: Count) -> int:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return 1

    async with app, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: app.gather(Count(), timeout=CEILING))
        await begun.wait()
        tasks.cancel_scope.cancel()
    assert cancelled.is_set()


async def test_an_error_of_any_kind_is_a_failure(app: Application) -> None:
    """A cancellation that an answerer raises itself, and a foreign `BaseException`, are failures."""

    class Aborted(BaseException):
        pass

    answering(app, fine=1, cancelled=asyncio.CancelledError(), aborted=Aborted())
    async with app:
        gathered = await app.gather(Count(), policy=AtLeast(1), timeout=CEILING)
    assert gathered.answers == {"fine": 1}
    assert set(gathered.failures) == {"cancelled", "aborted"}


async def test_a_late_handler_is_cancelled(app: Application) -> None:
    """At the timeout the call returns the answers that are there."""

    @app.query_handler(Count, many=True, name="slow")
    async def slow(query: Count) -> int:
        await anyio.sleep_forever()
        return 1

    answering(app, fine=1)
    async with app:
        with in_time():
            gathered = await app.gather(Count(), policy=AtLeast(0), timeout=0.05)
    assert isinstance(gathered.failures["slow"], AnswerTimeout)


class LateRequests(InMemoryTransport):
    """A broker to which no reply comes in time."""

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        raise RemoteTimeout("no reply")


@pytest.fixture
def requests() -> Requests:
    """Return a broker to which no reply comes in time."""
    return LateRequests()


async def test_a_late_reply_is_an_answer_timeout(requests: Requests) -> None:
    """A late reply of another application is an `AnswerTimeout`, with the error of the broker as its cause."""
    app = Application("gathering", write=InMemory(), requests=requests)
    app.remote_answerer(Named, service="depot")
    async with app:
        gathered = await app.gather(Named(), policy=AtLeast(0), timeout=CEILING)
    assert isinstance(gathered.failures["depot"], AnswerTimeout)
    assert isinstance(gathered.failures["depot"].__cause__, RemoteTimeout)


def test_blocking_callers_gather(app: Application) -> None:
    """`app.sync` and its sessions gather, too."""
    answering(app, fine=1, wrong="x")
    with app.sync, app.sync.session() as session:
        for gathered in (app.sync.gather(Count(), policy=AtLeast(1)), session.gather(Count(), policy=AtLeast(1))):
            assert gathered.answers == {"fine": 1}
            assert isinstance(gathered.failures["wrong"], InvalidAnswer)


@pytest.mark.parametrize(
    ("wrong", "text"), [(Count, r"Pass an object of the class: Count"), (Note(), r"use dispatch\(\)")]
)
async def test_only_queries_are_gathered(wrong: Any, text: str) -> None:
    """A class and a command are refused with the reason."""
    app = Application("gathering", write=InMemory(), work=False)
    async with app:
        with pytest.raises(NoHandler, match=text):
            await app.gather(wrong)
