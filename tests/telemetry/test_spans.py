"""Spans: a message and its handler are traced from the caller to the commit, and across log, broker and processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy.ext.asyncio import create_async_engine

from tests.domains.orders import Boom, Cancel, Paid, Place, Placed
from tests.telemetry.collected import Collected
from twofold import Application, Command, CommandBus, Query, UnitOfWork, on
from twofold._telemetry.metrics import APPEND_DURATION, HANDLER_DURATION
from twofold._telemetry.spans import (
    APPEND,
    CANCELLED,
    COMMIT,
    DISPATCH,
    HANDLE,
    OF_ALL,
    PROCESS,
    SCHEDULED,
    SPANS,
)
from twofold.testing.conformance._domain.reminders import Remind, reminding
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy

ROOT = Path(__file__).resolve().parents[2]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Count(Query[AsyncIterator[int]]):
    pass


@pytest.fixture
def collected() -> Collected:
    """Collect spans and metrics."""
    return Collected()


def application(collected: Collected, store: Any = None, **options: Any) -> Application:
    """Return an application whose command records an event, which subscriptions of the test receive."""
    app = Application("orders", write=store or InMemory(), telemetry=collected.option, **options)

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> str:
        unit.record(Placed(number=command.number), stream="orders")
        return "placed"

    @app.command_handler(Cancel)
    async def cancel(command: Cancel, unit: UnitOfWork) -> None:
        unit.record(Paid(), stream="orders")
        if command.number == 2:
            raise Boom("the text of an error")
        if command.number == 3:
            await anyio.sleep_forever()

    @app.query_handler(Count)
    async def count(query: Count) -> AsyncIterator[int]:
        for number in range(3):
            yield number

    return app


def traces(store: InMemory) -> list[str]:
    """Return the traceparent that is stored with each event."""
    return [json.loads(each.metadata)["trace"]["traceparent"] for each in store.log._tables.events]


def traceparent(span: ReadableSpan) -> str:
    """Return the trace context of a span."""
    found = span.get_span_context()
    assert found is not None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def links(span: ReadableSpan) -> list[int]:
    """Return the ids of the spans that a span links to."""
    return [each.context.span_id for each in span.links]


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of the parent of a span."""
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    """Return the id of a span."""
    found = span.get_span_context()
    assert found is not None
    return found.span_id


async def test_a_command_continues_the_current_span(collected: Collected) -> None:
    """Handler, append and commit are children of the dispatch, which is a child of the caller's span."""
    async with application(collected) as app:
        with collected.tracers.get_tracer("caller").start_as_current_span("caller") as caller:
            await app.dispatch(Place())
    (dispatch,), (handle,) = collected.spans(DISPATCH), collected.spans(HANDLE)
    (append,), (commit,) = collected.spans(APPEND), collected.spans(COMMIT)
    assert parent_of(dispatch) == caller.get_span_context().span_id
    assert {parent_of(each) for each in (handle, append, commit)} == {id_of(dispatch)}
    assert dispatch.name == "dispatch Place"


async def test_a_command_continues_the_trace_of_its_session(collected: Collected) -> None:
    """Without a current span, the trace of the session is the parent, and one that cannot be read is ignored."""
    async with application(collected) as app:
        async with app.session(trace={"traceparent": PARENT, "tracestate": "a=b"}) as session:
            await session.dispatch(Place())
        async with app.session(trace={"traceparent": "00-1"}) as session:
            await session.dispatch(Place())
    first, second = collected.spans(DISPATCH)
    assert first.parent is not None
    assert (f"{first.parent.trace_id:032x}", f"{first.parent.span_id:016x}") == (PARENT[3:35], PARENT[36:52])
    assert first.parent.trace_state.to_header() == "a=b"
    assert second.parent is None


async def test_events_are_stored_with_the_span_of_their_command(collected: Collected) -> None:
    """The trace context of an event is that of the dispatch, although a span of the handler is current."""
    store = InMemory()
    async with application(collected, store) as app:
        await app.dispatch(Place())
        async with app.session() as session:
            await session.dispatch(Place(), idempotency_key="a")
    assert traces(store) == [traceparent(each) for each in collected.spans(DISPATCH)]


async def test_a_nested_command_is_a_child_of_its_handler(collected: Collected) -> None:
    """A command that a handler dispatches has a span of its own, which its events carry."""
    store = InMemory()
    app = application(collected, store)

    class Outer(Command[str]):
        pass

    @app.command_handler(Outer)
    async def outer(command: Outer, commands: CommandBus) -> str:
        return await commands.dispatch(Place())

    async with app:
        await app.dispatch(Outer())
    inner, _ = collected.spans(DISPATCH)
    _, handle = collected.spans(HANDLE)
    assert parent_of(inner) == id_of(handle)
    assert traces(store) == [traceparent(inner)]


async def test_a_batch_links_to_the_spans_of_its_events(collected: Collected) -> None:
    """A batch of a projection begins a trace of its own, with a link for each command whose events it has."""
    store = InMemory()
    async with application(collected, store, work=False) as app:
        for number in range(2):
            await app.dispatch(Place(number=number))
    app = application(collected, store)

    @app.projection("placed")
    class Counted:
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    async with app:
        await app.settle()
    (batch,) = collected.spans(PROCESS)
    assert links(batch) == [id_of(each) for each in collected.spans(DISPATCH)]
    assert (batch.parent, batch.kind, batch.name) == (None, SpanKind.CONSUMER, "process placed")
    assert batch.attributes is not None
    assert batch.attributes["messaging.batch.message_count"] == 2


async def test_an_event_handler_links_to_its_event_and_its_events_carry_on(collected: Collected) -> None:
    """Each attempt of an event handler has a span. What it records is traced to the attempt, not to the first command."""
    store = InMemory()
    app = application(collected, store)

    @app.event_handler(Placed, name="payment")
    async def pay(event: Placed, unit: UnitOfWork) -> None:
        unit.record(Paid(), stream="payments")

    async with app:
        await app.dispatch(Place())
        await app.settle()
    (process,), (dispatch,) = collected.spans(PROCESS), collected.spans(DISPATCH)
    assert links(process) == [id_of(dispatch)]
    assert parent_of(collected.spans(HANDLE)[-1]) == id_of(process)
    assert traces(store) == [traceparent(dispatch), traceparent(process)]


async def test_an_error_has_its_class_and_no_text(collected: Collected) -> None:
    """A failed command has spans with the status "error". The text of the error is not recorded."""
    async with application(collected) as app:
        with pytest.raises(Boom):
            await app.dispatch(Cancel(number=2))
    for span in (*collected.spans(DISPATCH), *collected.spans(HANDLE)):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "tests.domains.orders.Boom"
        assert "the text of an error" not in span.to_json()
    assert collected.spans(COMMIT) == []


async def test_a_cancellation_is_not_an_error(collected: Collected) -> None:
    """The spans of a cancelled command end, and say so without the status "error"."""
    async with application(collected) as app:
        with anyio.move_on_after(0.01):
            await app.dispatch(Cancel(number=3))
    for span in (*collected.spans(DISPATCH), *collected.spans(HANDLE)):
        assert span.status.status_code is StatusCode.UNSET
        assert span.attributes is not None
        assert span.attributes[CANCELLED] is True


async def test_a_stream_is_traced_until_its_end(collected: Collected) -> None:
    """The span of a streaming query ends with the stream, and is not current in the code that iterates."""
    async with application(collected) as app, aclosing(app.stream(Count())) as items:
        assert [item async for item in items if not trace.get_current_span().is_recording()] == [0, 1, 2]
    assert [each.name for each in collected.spans()] == ["dispatch Count"]
    assert collected.value(HANDLER_DURATION, twofold_message_kind="query") == 1


async def test_a_scheduled_command_links_to_the_span_that_scheduled_it(collected: Collected) -> None:
    """A scheduled command runs in a trace of its own."""
    app = Application("reminders", write=InMemory(), telemetry=collected.option)
    app.include(reminding())
    async with app:
        with collected.tracers.get_tracer("caller").start_as_current_span("caller") as caller:
            async with app.session() as session:
                await session.schedule(Remind(note="a"), at=app.clock.now())
        await until(lambda: bool(collected.spans(SCHEDULED)))
    (scheduled,), (dispatch,) = collected.spans(SCHEDULED), collected.spans(DISPATCH)
    assert links(scheduled) == [caller.get_span_context().span_id]
    assert (scheduled.parent, parent_of(dispatch)) == (None, id_of(scheduled))


_OTHER_PROCESS = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy.ext.asyncio import create_async_engine
from tests.domains.orders import Place
from tests.telemetry.collected import Collected
from tests.telemetry.test_spans import application, traceparent
from twofold import Application
from twofold._telemetry.spans import DISPATCH
from twofold_sqlalchemy import SqlAlchemy

async def main() -> None:
    collected = Collected()
    engine = create_async_engine(sys.argv[1])
    app = application(collected, SqlAlchemy(engine), work=False)
    await app.create_schema()
    async with app:
        await app.dispatch(Place())
    await engine.dispose()
    print(traceparent(collected.spans(DISPATCH)[0]))

asyncio.run(main())
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_trace_crosses_processes(collected: Collected, tmp_path: Path, anyio_backend: str) -> None:
    """A worker links to the span of a command that another process handled."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'log.db'}"
    command = [sys.executable, "-c", _OTHER_PROCESS, url]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, capture_output=True, text=True, timeout=CEILING, check=False, cwd=ROOT)
    )
    assert done.stderr == ""
    engine = create_async_engine(url)
    app = application(collected, SqlAlchemy(engine))

    @app.projection("placed")
    class Counted:
        @on(Placed)
        async def placed(self, event: Placed) -> None: ...

    with in_time():
        async with app:
            await app.settle()
    await engine.dispose()
    (process,) = collected.spans(PROCESS)
    (link,) = process.links
    assert done.stdout.startswith(f"00-{link.context.trace_id:032x}-{link.context.span_id:016x}-")


async def test_spans_have_the_documented_attributes(collected: Collected) -> None:
    """No span has an attribute that the table lacks, a key, a tenant or the content of a message."""
    app = application(collected)

    @app.event_handler(Placed, name="mail")
    async def mail(event: Placed) -> None: ...

    async with app, app.session(tenant="a tenant", headers={"a": "a header"}) as session:
        await session.dispatch(Place(number=987654), idempotency_key="a key")
        await app.settle()
    assert len(collected.spans()) >= 6
    for span in collected.spans():
        (kind,) = [each for each in SPANS if each.operation == span.name.split(" ")[0]]
        assert span.kind.name == kind.kind
        assert set(span.attributes or {}) <= {*kind.attributes, *OF_ALL}
        assert not any(text in span.to_json() for text in ("a tenant", "a key", "a header", "987654"))


async def test_an_unsampled_message_has_no_spans_inside_and_is_measured() -> None:
    """If the dispatch is not sampled, spans inside it are left out. Its events carry the trace, and durations count."""
    collected, store = Collected(sampler=ALWAYS_OFF), InMemory()
    async with application(collected, store) as app:
        await app.dispatch(Place())
    assert collected.spans() == []
    assert traces(store)[0].endswith(("-00", "-02"))
    assert collected.value(HANDLER_DURATION) == collected.value(APPEND_DURATION) == 1


async def test_short_spans_inside_a_dispatch_are_left_out() -> None:
    """A short handler, append and commit have no span. They are measured, and an exemplar can name the dispatch."""
    collected = Collected(shortest_span=CEILING)
    async with application(collected) as app:
        await app.dispatch(Place())
    assert [each.name for each in collected.spans()] == ["dispatch Place"]
    assert collected.value(HANDLER_DURATION) == collected.value(APPEND_DURATION) == 1


async def test_a_short_span_that_is_used_or_has_failed_is_recorded() -> None:
    """A handler whose span has an attribute of its own, a child, or an error has a span, however short it is."""
    collected = Collected(shortest_span=CEILING)
    app = Application("orders", write=InMemory(), telemetry=collected.option)

    @app.command_handler(Place)
    async def place(command: Place) -> str:
        if command.number == 1:
            trace.get_current_span().set_attribute("own", 1)
        elif command.number == 2:
            collected.tracers.get_tracer("library").start_span("child").end()
        elif command.number == 3:
            raise Boom
        return "placed"

    async with app:
        for number in range(3):
            await app.dispatch(Place(number=number))
        with pytest.raises(Boom):
            await app.dispatch(Place(number=3))
    used, parent, failed = collected.spans(HANDLE)
    (child,) = [each for each in collected.spans() if each.name == "child"]
    assert used.attributes is not None
    assert used.attributes["own"] == 1
    assert parent_of(child) == id_of(parent)
    assert failed.status.status_code is StatusCode.ERROR
    assert [parent_of(each) for each in (used, parent, failed)] == [
        id_of(each) for each in collected.spans(DISPATCH)[1:]
    ]


async def test_spans_end_soon_after_their_block(collected: Collected) -> None:
    """Spans and durations are handed to the SDK while the application runs, and all of them when it stops."""
    async with application(collected) as app:
        await app.dispatch(Place())
        await until(lambda: len(collected.spans()) == 4)
        for number in range(100):
            await app.dispatch(Place(number=number))
    assert len(collected.spans(DISPATCH)) == collected.value(HANDLER_DURATION) == 101
