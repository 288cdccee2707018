"""The query bus, used alone."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import anyio.lowlevel
import pytest

from tests.domains.orders import Ask
from twofold import Query, QueryBus
from twofold._buses.chain import CallNext
from twofold.errors import ConfigurationError, NoHandler


class Count(Query[AsyncIterator[int]]):
    up_to: int


async def test_the_answer_of_the_handler_is_returned() -> None:
    """`execute` returns what the handler returned."""
    bus = QueryBus()

    @bus.handler(Ask)
    async def ask(query: Ask) -> str:
        return f"answer {query.number}"

    assert await bus.execute(Ask(number=4)) == "answer 4"


async def test_a_sync_handler_runs_in_a_worker_thread() -> None:
    """A handler that is not async does not block the event loop."""
    bus = QueryBus()
    threads: list[int] = []

    @bus.handler(Ask)
    def ask(query: Ask) -> str:
        threads.append(threading.get_ident())
        return "answer"

    assert await bus.execute(Ask()) == "answer"
    assert threads
    assert threads[0] != threading.get_ident()


async def test_a_missing_handler_lists_the_registered_messages() -> None:
    """`NoHandler` names the query, the registered queries and the decorator to use."""
    bus = QueryBus()

    @bus.handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        yield query.up_to

    with pytest.raises(NoHandler) as caught:
        await bus.execute(Ask())
    assert str(caught.value) == (
        "no handler for query Ask. Registered queries: Count.\n"
        "Register one with @app.query_handler(Ask) and import its module before the application starts."
    )


async def test_a_second_handler_is_refused() -> None:
    """A query has one handler. Registering another one raises immediately."""
    bus = QueryBus()

    async def ask(query: Ask) -> str:
        return "answer"

    bus.handler(Ask)(ask)
    with pytest.raises(ConfigurationError, match="second handler of query Ask"):
        bus.handler(Ask)(ask)


async def test_an_error_of_the_handler_comes_through_as_it_is() -> None:
    """The caller gets the very error that the handler raised."""
    bus = QueryBus()
    error = LookupError("no")

    @bus.handler(Ask)
    async def ask(query: Ask) -> str:
        raise error

    with pytest.raises(LookupError) as caught:
        await bus.execute(Ask())
    assert caught.value is error


async def test_a_stream_gives_its_items_one_by_one() -> None:
    """`stream` iterates over an async generator, which runs no further than it is asked to."""
    bus = QueryBus()
    made: list[int] = []

    @bus.handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        for number in range(query.up_to):
            made.append(number)
            yield number

    async for number in bus.stream(Count(up_to=3)):
        assert made == list(range(number + 1))
    assert made == [0, 1, 2]


async def test_an_error_in_a_stream_reaches_the_caller_after_the_items_before_it() -> None:
    """The caller receives the items that were yielded before the error."""
    bus = QueryBus()

    @bus.handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        yield 1
        raise LookupError("no more")

    received: list[int] = []
    with pytest.raises(LookupError, match="no more"):
        async for number in bus.stream(Count(up_to=3)):
            received.append(number)  # noqa: PERF401 -- what came before the error is looked at
    assert received == [1]


@pytest.mark.parametrize("links", [0, 1])
async def test_a_stream_that_is_closed_early_closes_its_handler_immediately(links: int) -> None:
    """Closing a stream early closes the handler's generator immediately, including its awaits.

    The same holds with middleware.
    """

    async def passing(message: Any, call_next: CallNext) -> Any:
        return await call_next(message)

    bus = QueryBus(middleware=[passing] * links)
    closed: list[str] = []

    @bus.handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        try:
            for number in range(query.up_to):
                yield number
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append("handler")

    async with aclosing(cast("AsyncGenerator[int]", bus.stream(Count(up_to=3)))) as numbers:
        assert await anext(numbers) == 0
        assert closed == []
    assert closed == ["handler"]
