"""Spans of two applications: the trace crosses a broker, and a remote call is one trace in both."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from tests.brokers import open_broker, open_requests
from tests.domains.orders import Boom, Placed
from tests.domains.shops import Sell, selling, settled, shipping
from tests.telemetry.collected import Collected
from tests.telemetry.test_spans import PARENT, id_of, links, parent_of, traceparent, traces
from twofold import Application, Command, RemoteCommandBus, UnitOfWork
from twofold._telemetry.spans import CALL, DISPATCH, HANDLE, OF_ALL, PROCESS, PUBLISH, RECEIVE, SERVE
from twofold.ports import Requests
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

SYSTEMS = {"memory-asyncio": "memory", "redis-streams": "redis", "rabbitmq": "rabbitmq"}
"""The brokers, with the value of `messaging.system`."""


class Book(Command[str], name="spans.book"):
    number: int = 0


class Ask(Command[str]):
    pass


def booking(collected: Collected, requests: Requests, store: InMemory | None = None) -> Application:
    """Return an application that serves a command, which fails for the number 2."""
    app = Application("booking", write=store or InMemory(), requests=requests, telemetry=collected.option)

    @app.command_handler(Book)
    async def book(command: Book, unit: UnitOfWork) -> str:
        if command.number == 2:
            raise Boom("the text of an error")
        unit.record(Placed(number=command.number), stream="orders")
        return "booked"

    app.serve(Book)
    return app


@pytest.mark.parametrize("broker", SYSTEMS)
async def test_the_trace_crosses_a_broker(broker: str, request: pytest.FixtureRequest, anyio_backend: str) -> None:
    """The receiver stores the trace context of the sender's command. Its spans, and those of its projections, link to it."""
    sender, receiver, received = Collected(), Collected(), InMemory()
    async with (
        open_broker(broker, request) as connect,
        shipping(received, await connect(), telemetry=receiver.option) as depot,
        selling(InMemory(), await connect(), telemetry=sender.option) as shop,
    ):
        await shop.dispatch(Sell(order_id="1"))
        await settled(shop, depot)
    (dispatch,), (publish,) = sender.spans(DISPATCH), sender.spans(PUBLISH)
    assert traces(received) == [traceparent(dispatch)]
    assert [links(each) for each in (publish, *receiver.spans(RECEIVE), *receiver.spans(PROCESS))] == [
        [id_of(dispatch)] for _ in range(3)
    ]
    assert publish.attributes is not None
    assert publish.attributes["messaging.system"] == SYSTEMS[broker]
    assert (publish.kind, receiver.spans(RECEIVE)[0].kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)


@pytest.mark.parametrize("broker", ["memory-asyncio", "rabbitmq"])
async def test_a_remote_call_is_one_trace(broker: str, request: pytest.FixtureRequest, anyio_backend: str) -> None:
    """The span of the server is a child of the span of the call, and the dispatch there is a child of it."""
    caller, server, store = Collected(), Collected(), InMemory()
    async with open_requests(broker, request) as connect:
        app = booking(server, await connect(), store)
        with in_time():
            async with app:
                bus = RemoteCommandBus(await connect(), "booking", telemetry=caller.option)
                with caller.tracers.get_tracer("caller").start_as_current_span("caller") as span:
                    assert await bus.dispatch(Book(number=987654)) == "booked"
    (call,), (serve,), (dispatch,) = caller.spans(CALL), server.spans(SERVE), server.spans(DISPATCH)
    assert [parent_of(each) for each in (call, serve, dispatch)] == [
        span.get_span_context().span_id, id_of(call), id_of(serve),
    ]  # fmt: skip
    assert (call.kind, serve.kind, traces(store)) == (SpanKind.CLIENT, SpanKind.SERVER, [traceparent(dispatch)])
    for each, kind in ((call, CALL), (serve, SERVE)):
        assert set(each.attributes or {}) <= {*kind.attributes, *OF_ALL}
        assert "987654" not in each.to_json()


async def test_a_remote_call_that_fails_is_an_error_in_both(request: pytest.FixtureRequest, anyio_backend: str) -> None:
    """An error of the remote handler gives handler and call the status "error". The text of the error is not recorded."""
    caller, server = Collected(), Collected()
    async with open_requests("memory-asyncio", request) as connect:
        app = booking(server, await connect())
        with in_time():
            async with app:
                bus = RemoteCommandBus(await connect(), "booking", errors=[Boom], telemetry=caller.option)
                with pytest.raises(Boom):
                    await bus.dispatch(Book(number=2))
    for span in (*caller.spans(CALL), *server.spans(HANDLE), *server.spans(SERVE)):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "tests.domains.orders.Boom"
        assert "the text of an error" not in span.to_json()


async def test_a_server_continues_the_trace_of_a_session(request: pytest.FixtureRequest, anyio_backend: str) -> None:
    """A handler without telemetry passes on the trace of its session, which the span of the server continues."""
    server = Collected()
    async with open_requests("memory-asyncio", request) as connect:
        caller = Application("caller", write=InMemory(), telemetry=False)
        bus = RemoteCommandBus(await connect(), "booking")

        @caller.command_handler(Ask)
        async def ask(command: Ask) -> str:
            return await bus.dispatch(Book())

        with in_time():
            async with (
                booking(server, await connect()),
                caller,
                caller.session(trace={"traceparent": PARENT}) as session,
            ):
                assert await session.dispatch(Ask()) == "booked"
    (serve,) = server.spans(SERVE)
    assert serve.parent is not None
    assert (f"{serve.parent.trace_id:032x}", f"{serve.parent.span_id:016x}") == (PARENT[3:35], PARENT[36:52])
