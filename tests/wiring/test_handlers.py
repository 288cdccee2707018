"""Handlers whose signature cannot work are faults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from tests.domains.orders import Ask, Place, Placed, Row
from tests.wiring.domain import Rows, Thing
from tests.wiring.faults import faults_of
from twofold import Application, Envelope, ReadModel, Repository, Session, on


def test_a_sync_handler_of_awaitable_things(app: Application) -> None:
    """Methods of rows, repositories and sessions are awaited, so a sync handler cannot take them."""

    class Sync(Rows):
        @on(Placed)
        def placed(self, event: Placed) -> None: ...  # type: ignore[override]

    app.projection("sync")(Sync)

    @app.command_handler(Place)
    def place(command: Place, things: Repository[Thing]) -> str:
        return ""

    text = faults_of(app)
    assert "Sync.placed is not async" in text
    assert "place is not async, so it cannot use 'things:" in text


def test_a_sync_handler_of_plain_things(app: Application) -> None:
    """A handler that awaits nothing may be sync."""

    @app.command_handler(Place)
    def place(command: Place) -> str:
        return ""

    app.check()


async def test_a_class_with_a_sync_call(app: Application) -> None:
    """An object of the class runs in a worker thread, and its `__call__` may have injected parameters."""

    @app.command_handler(Place)
    class PlaceHandler:
        def __call__(self, command: Place, envelope: Envelope[Place]) -> str:
            return f"{envelope.message.number} in {threading.current_thread() is threading.main_thread()}"

    async with app:
        assert await app.dispatch(Place(number=7)) == "7 in False"


def test_handlers_with_a_yield(app: Application) -> None:
    """A generator would run nothing, so only query handlers may be generators, and these are async."""

    @app.command_handler(Place)
    async def place(command: Place):  # type: ignore[no-untyped-def]
        yield ""

    @app.query_handler(Ask)
    def ask(query: Ask):  # type: ignore[no-untyped-def]
        yield ""

    @app.event_handler(Placed, name="r")
    class React:
        async def __call__(self, event: Placed):  # type: ignore[no-untyped-def]
            yield

    text = faults_of(app)
    assert "place contains `yield`, so its body would never run" in text
    assert "ask contains `yield` and is not async" in text
    assert "React contains `yield`" in text


def test_a_query_cannot_take_a_session(app: Application) -> None:
    """A session dispatches commands, so a query cannot take one."""

    @app.query_handler(Ask)
    async def ask(query: Ask, session: Session) -> str:
        return ""

    assert "a query cannot take a session, which dispatches commands" in faults_of(app)


def test_views_and_aggregates_are_distinguished(app: Application) -> None:
    """A repository of a view and a read model of an aggregate are faults. Each names the other type."""

    @app.command_handler(Place)
    async def place(command: Place, rows: Repository[Row], things: ReadModel[Thing]) -> str:  # type: ignore[type-var]
        return ""

    text = faults_of(app)
    assert "is of a view. Take ReadModel[Row]" in text
    assert "is of an aggregate. Take Repository[Thing]" in text


def test_types_are_printed_as_they_are_written(app: Application) -> None:
    """A fault names a parameter with its type as the source has it, without module names."""

    @app.command_handler(Place)
    async def place(
        command: Place,
        things: list[Repository[Thing] | None],
        call: Callable[[Row], None],
        which: Literal["a"],
        other: dict[str, Row],
    ) -> str:
        return ""

    text = faults_of(app)
    for written in (
        "'things: list[Repository[Thing] | None]'",
        "'call: Callable[[Row], None]'",
        "'which: Literal['a']'",
        "'other: dict[str, Row]'",
    ):
        assert written in text
