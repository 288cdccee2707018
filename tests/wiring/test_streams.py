"""A streaming query and its handler agree, and are used with `stream`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.domains.orders import Look
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
            r"All is answered with one result, and this handler is an async generator. .*Query\[AsyncIterator",
        ),
        (Every, counted, r"Every is answered with a stream, and this handler is not an async generator. .*Query\[list"),
        (Some, counted, "Some is answered with a stream, and this handler is not an async generator"),
    ],
)
def test_a_stream_needs_a_query_and_a_handler_of_one(app: Application, query: Any, handler: Any, text: str) -> None:
    """A query declares a stream and its handler is an async generator: both or neither."""
    app.query_handler(query)(handler)
    assert re.search(f"{handler.__qualname__}: {text}", faults_of(app))
    with pytest.raises(InvalidDefinition, match=text):
        QueryBus().handler(query)(handler)


@pytest.mark.parametrize("level", ["bus", "application", "session"])
async def test_a_stream_and_an_answer_are_told_apart(app: Application, level: str) -> None:
    """`execute` of a streaming query recommends `stream`, and `stream` of a plain query recommends `execute`."""
    bus = QueryBus()
    for each in (app.query_handler, bus.handler):
        each(Every)(counting)
        each(All)(counted)
    async with app:
        asked: Any = {"bus": bus, "application": app, "session": app.session()}[level]
        assert [each async for each in asked.stream(Every())] == await asked.execute(All()) == [0, 1]
        with pytest.raises(NoHandler, match=r"cannot execute Every: it is answered with a stream. .*app.stream\(Every"):
            await asked.execute(Every())
        with pytest.raises(NoHandler, match=r"cannot stream All: it is answered with one result.*Use execute\(\)"):
            await anext(asked.stream(All()))
        with pytest.raises(NoHandler, match="no handler for query Look"):
            await anext(asked.stream(Look()))
