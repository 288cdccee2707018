"""Streaming queries of an application: a stream that is closed early leaves nothing open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Literal

import anyio.lowlevel
import pytest
from dependency_injector import containers, providers

from twofold import Application, Command, Event, Query, ReadModel, Router, UnitOfWork, View, on
from twofold.errors import ReadNotReady
from twofold.ports import WriteStore


class Numbered(View, name="streamed", key="number"):
    number: int


class Counted(Event, name="streams.counted"):
    number: int


class Count(Command[None]):
    """Records an event."""


class Every(Query[AsyncIterator[int]]):
    """Answered by an async generator."""


class Resource:
    """Something that a handler is given, and that is closed with the handler's scope."""


def streaming(store: WriteStore, closed: list[str], *, work: bool = True) -> Application:
    """Return an application whose streaming query records the order in which its resources are closed."""

    async def resource() -> AsyncIterator[Resource]:
        yield Resource()
        await anyio.lowlevel.checkpoint()
        closed.append("resource")

    container: Any = containers.DynamicContainer()
    container.resource = providers.Factory(resource)
    app = Application("streams", write=store, container=container, work=work)

    @app.projection("numbers")
    class Numbers:
        def __init__(self, rows: ReadModel[Numbered]) -> None:
            self.rows = rows

        @on(Counted)
        async def counted(self, event: Counted) -> None: ...

    @app.query_handler(Every)
    async def every(query: Every, rows: ReadModel[Numbered], held: Resource) -> AsyncIterator[int]:
        try:
            for number in range(3):
                assert await rows.get(number) is None  # begins the transaction that only reads
                yield number
        finally:
            await anyio.lowlevel.checkpoint()
            assert await rows.get(0) is None, "the scope was closed before the handler"
            closed.append("handler")

    return app


@pytest.mark.parametrize("level", ["application", "session"])
@pytest.mark.parametrize("stop", ["early", "at the end", "by an error"])
async def test_a_stream_is_closed_with_its_iterator(
    store: WriteStore, level: Literal["application", "session"], stop: str
) -> None:
    """However a reader stops, the handler's generator is closed first and then its scope, both before `aclose` returns."""
    closed: list[str] = []
    app = streaming(store, closed)
    await app.create_schema()
    async with app, app.session() as session:
        started = app.stream(Every()) if level == "application" else session.stream(Every())
        try:
            async with aclosing(started) as items:
                async for number in items:
                    assert (number, closed) == (number, [])
                    if stop == "early" and number == 1:
                        break
                    if stop == "by an error" and number == 1:
                        raise LookupError  # noqa: TRY301 -- it is how the reader stops
        except LookupError:
            assert stop == "by an error"
        assert closed == ["handler", "resource"]


async def test_a_stream_waits_for_a_token(store: WriteStore) -> None:
    """A stream of an application waits, up to its timeout, until the read models contain the writes of a token."""
    app, resting, counting = streaming(store, []), streaming(store, [], work=False), Router("counting")

    @counting.command_handler(Count)
    async def count(command: Count, unit: UnitOfWork) -> None:
        unit.record(Counted(number=7))

    app.include(counting)
    resting.include(counting)
    await app.create_schema()
    async with app, app.session() as session:
        await session.dispatch(Count())
        token = session.token
        assert [number async for number in app.stream(Every(), after=token)] == [0, 1, 2]
    async with resting, resting.session() as session:
        await session.dispatch(Count())
        with pytest.raises(ReadNotReady):
            await anext(resting.stream(Every(), after=session.token, timeout=0))
