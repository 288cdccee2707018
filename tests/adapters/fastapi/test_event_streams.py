"""Streaming queries behind FastAPI are sent as server-sent events, and end with their client."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.adapters.fastapi.conftest import NewClient
from tests.adapters.fastapi.shop import AllOrders, Sell, new_api, streaming
from twofold.errors import ConfigurationError, ReadNotReady, TransientFailure
from twofold.testing.conformance._tools.in_time import in_time, until
from twofold_fastapi import EventStream, SessionDep


def test_items_are_events_with_ids(client: TestClient) -> None:
    """Each item is an event with its id. An event `end` follows the last one."""
    token = client.post("/orders", json={"order_id": "1"}).headers["Consistency-Token"]
    found = client.get("/orders", headers={"Consistency-Token": token})
    assert found.text == 'id: 1\ndata: {"order_id":"1","number":1}\n\nevent: end\ndata: {}\n\n'
    assert found.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert found.headers["Consistency-Token"] == token


def test_an_empty_answer_has_only_the_end(client: TestClient) -> None:
    """A stream without items is a 200 with its end."""
    assert client.get("/orders").text == "event: end\ndata: {}\n\n"


def test_an_item_is_one_line(new_client: NewClient) -> None:
    """Line breaks, other separators and infinite numbers do not break the format."""

    async def odd() -> AsyncIterator[Any]:
        yield "a\nb\rc\u2028"
        yield math.inf

    assert new_client(streaming(odd)).get("/count").text == (
        'data: "a\\nb\\rc\u2028"\n\ndata: null\n\nevent: end\ndata: {}\n\n'
    )


def test_an_error_before_the_first_item_is_an_ordinary_answer(new_client: NewClient) -> None:
    """A cursor that is not valid is a 400, not a stream. So is a read model that is not ready a 503."""
    assert new_client().get("/orders?after=x").json()["status"] == 400

    async def not_ready() -> AsyncIterator[Any]:
        raise ReadNotReady("orders", lag=1)
        yield

    found = new_client(streaming(not_ready)).get("/count")
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(("error", "status"), [(TransientFailure("secret"), 503), (RuntimeError("secret"), 500)])
def test_an_error_in_mid_stream_is_the_last_event(new_client: NewClient, error: Exception, status: int) -> None:
    """The client gets the earlier items and the problem details, and no end."""

    async def failing() -> AsyncIterator[Any]:
        yield 1
        raise error

    found = new_client(streaming(failing)).get("/count")
    assert found.text.startswith("data: 1\n\nevent: problem\ndata: {")
    assert f'"status":{status}' in found.text
    assert "secret" not in found.text
    assert "event: end" not in found.text


def test_an_item_that_has_no_json_is_a_problem(new_client: NewClient) -> None:
    """A wrong item ends the stream as an error does, and so does a wrong id."""

    async def wrong() -> AsyncIterator[Any]:
        yield 1
        yield "2\nevent: forged"

    found = new_client(streaming(wrong, id=str)).get("/count").text
    assert found.startswith("id: 1\ndata: 1\n\nevent: problem\n")
    assert "event: forged" not in found


@pytest.mark.parametrize("arguments", [{"items": [1]}, {"ping": 0}, {"ping": math.nan}, {"ping": math.inf}])
def test_wrong_arguments_are_refused(arguments: Any) -> None:
    """An iterator that is not async, and a pause that is not positive, are errors of the route."""

    async def none() -> AsyncIterator[Any]:
        return
        yield

    with pytest.raises(ConfigurationError):
        EventStream(**{"items": none(), **arguments})


class Connection:
    """An ASGI connection: the messages that were sent, and the moment at which the client disconnects."""

    def __init__(self, path: str) -> None:
        self.scope: MutableMapping[str, Any] = {
            "type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "http_version": "1.1",
            "scheme": "http", "server": ("test", 80), "client": ("test", 1), "asgi": {"version": "3.0"},
        }  # fmt: skip
        self.sent: list[bytes] = []
        self.some = anyio.Event()
        self.gone = anyio.Event()
        self._begun = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the request, then wait until the client disconnects."""
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Keep what was sent."""
        if message["type"] == "http.response.body":
            self.sent.append(message["body"])
            self.some.set()


@pytest.fixture
def anyio_backend() -> str:
    """Run on the event loop that Starlette's servers use."""
    return "asyncio"


async def test_a_query_ends_when_its_client_disconnects() -> None:
    """An idle query is closed, with its read transaction, although it sends nothing."""
    closed = False

    async def idle() -> AsyncIterator[Any]:
        nonlocal closed
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            closed = True

    api, connection = streaming(idle), Connection("/count")
    with in_time():
        async with running(api), anyio.create_task_group() as tasks:
            tasks.start_soon(api, connection.scope, connection.receive, connection.send)
            await connection.some.wait()
            assert not closed
            connection.gone.set()
    assert closed
    assert b"".join(connection.sent) == b"data: 1\n\n"


async def test_a_query_that_waits_for_a_slow_client_ends_with_it() -> None:
    """A query is closed too when the client disconnects while an item is sent."""
    closed, connection = False, Connection("/count")

    async def endless() -> AsyncIterator[Any]:
        nonlocal closed
        try:
            while True:
                yield 1
        finally:
            await anyio.lowlevel.checkpoint()  # a cleanup that awaits runs to its end
            closed = True

    async def stuck(message: MutableMapping[str, Any]) -> None:
        await connection.send(message)
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    api = streaming(endless)
    with in_time():
        async with running(api), anyio.create_task_group() as tasks:
            tasks.start_soon(api, connection.scope, connection.receive, stuck)
            await connection.some.wait()
            connection.gone.set()
    assert closed


async def test_an_idle_stream_sends_comments() -> None:
    """The response begins although the query has no item, and comments keep the connection open."""

    async def idle() -> AsyncIterator[Any]:
        await anyio.sleep_forever()
        yield

    api, connection = streaming(idle, ping=0.01), Connection("/count")
    with in_time():
        async with running(api), anyio.create_task_group() as tasks:
            tasks.start_soon(api, connection.scope, connection.receive, connection.send)
            await until(lambda: len(connection.sent) >= 2)
            connection.gone.set()
    assert connection.sent[:2] == [b": ping\n\n", b": ping\n\n"]


def running(api: FastAPI) -> Any:
    """Run the lifespan of a web application."""
    return api.router.lifespan_context(api)


def test_the_session_of_a_request_is_the_one_of_the_stream(new_client: NewClient) -> None:
    """A route may dispatch and stream in one session."""
    api = new_api()

    @api.post("/both")
    async def both(session: SessionDep) -> EventStream:
        await session.dispatch(Sell(order_id="1"))
        return EventStream(session.stream(AllOrders(), timeout=60))

    assert new_client(api).post("/both").text.startswith('data: {"order_id":"1"')
