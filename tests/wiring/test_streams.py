"""A streaming query and its handler agree, and are used with `stream`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial, wraps
from typing import Any

import pytest

from tests.domains.orders import Look, Placed
from tests.wiring.faults import faults_of
from twofold import Application, Query, QueryBus
from twofold.errors import InvalidDefinition, NoHandler


class Every(Query[AsyncIterator[int]]):
    upto: int = 2


class Some(Query["AsyncIterator[int]"]):
    upto: int = 2


class All(Query[list[int]]):
    upto: int = 2


async def counting(query: Every | Some | All) -> AsyncIterator[int]:
    for number in range(query.upto):
        yield number


async def counted(query: Every | Some | All) -> list[int]:
    return list(range(query.upto))


@pytest.mark.parametrize(
    ("query", "handler", "text"),
    [
        (
            All,
            counting,
            r"All declares one result, but this handler is an async generator or returns .*Query\[AsyncIterator",
        ),
        (Every, counted, r"Every declares a stream, but this handler is not an async generator. .*Query\[list"),
        (Some, counted, "Some declares a stream, but this handler is not an async generator"),
    ],
)
def test_a_stream_needs_a_query_and_a_handler_of_one(app: Application, query: Any, handler: Any, text: str) -> None:
    """A query declares a stream and its handler is an async generator: both or neither."""
    app.query_handler(query)(handler)
    assert re.search(f"{handler.__qualname__}: {text}", faults_of(app))
    with pytest.raises(InvalidDefinition, match=text):
        QueryBus().handler(query)(handler)


@pytest.mark.parametrize("level", ["bus", "application", "session"])
async def test_streaming_and_single_queries_are_distinguished(app: Application, level: str) -> None:
    """`execute` of a streaming query recommends `stream`, and `stream` of a plain query recommends `execute`."""
    bus = QueryBus()
    for each in (app.query_handler, bus.handler):
        each(Every)(counting)
        each(All)(counted)
    async with app:
        asked: Any = {"bus": bus, "application": app, "session": app.session()}[level]
        assert [each async for each in asked.stream(Every())] == await asked.execute(All()) == [0, 1]
        with pytest.raises(NoHandler, match=r"cannot execute Every: it is a streaming query. .*app.stream\(Every"):
            await asked.execute(Every())
        with pytest.raises(NoHandler, match=r"cannot stream All: it returns one result.*Use execute\(\)"):
            await anext(asked.stream(All()))
        with pytest.raises(NoHandler, match="no handler for query Look"):
            await anext(asked.stream(Look()))


class Numbers:
    """An async iterator without `aclose`."""

    def __init__(self, upto: int) -> None:
        self.left = list(range(upto))

    def __aiter__(self) -> Numbers:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


def returning(query: Every) -> AsyncIterator[int]:
    """Return an async generator from a function that is not async."""
    return counting(query)


async def opening(query: Every) -> AsyncIterator[int]:
    """Return an async iterator that cannot be closed from an async function."""
    return Numbers(query.upto)


class Returning:
    """A class whose objects return an async iterator."""

    def __call__(self, query: Every) -> AsyncIterator[int]:
        return counting(query)


@wraps(counting)
def decorated(query: Every) -> Any:
    """Call an async generator function."""
    return counting(query)


@pytest.mark.parametrize("handler", [returning, opening, Returning, Returning(), partial(returning), decorated])
async def test_a_function_that_returns_an_async_iterator_streams(app: Application, handler: Any) -> None:
    """A handler of a streaming query is an async generator, or a function that returns an async iterator."""
    bus = QueryBus()
    app.query_handler(Every)(handler)
    bus.handler(Every)(handler)
    async with app:
        for each in (app, app.session(), bus):
            assert [number async for number in each.stream(Every())] == [0, 1]


async def test_a_function_that_returns_an_async_iterator_uses_its_parameters(app: Application) -> None:
    """Injected parameters that must be awaited can be used: the function does not run in a thread of its own."""

    @app.query_handler(Every)
    def first(query: Every, queries: QueryBus) -> AsyncIterator[int]:
        return items(query, queries)

    async def items(query: Every, queries: QueryBus) -> AsyncIterator[int]:
        for number in await queries.execute(All(upto=query.upto)):
            yield number

    app.query_handler(All)(counted)
    async with app:
        assert [number async for number in app.stream(Every())] == [0, 1]


def test_only_query_handlers_stream(app: Application) -> None:
    """An event handler that returns an async iterator is a fault."""

    @app.event_handler(Placed, name="placed")  # type: ignore[arg-type]
    def placed(event: Placed) -> AsyncIterator[int]:
        return counting(Every())

    assert "returns an async iterator, which would never be iterated over" in faults_of(app)
