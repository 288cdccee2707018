"""A command that appends one event, with telemetry on, compared with telemetry off."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBasedTraceIdRatio, Sampler
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._ratio import Call, Ratio, slower, time_calls
from twofold import Application, Command, Event, Telemetry, UnitOfWork
from twofold.ports import WriteStore
from twofold_memory import InMemory
from twofold_sqlalchemy import SqlAlchemy

_IDLE: Mapping[str, Literal[False] | None] = {"off": False, "no provider": None}
"""Telemetry that is switched off, and telemetry for which no provider is set. Both leave no step in the pipeline."""


class Note(Command[None]):
    number: int


class Idle(Command[None]):
    number: int


class Noted(Event, name="bench.noted"):
    number: int


class Discarded(SpanExporter):
    """Exports to nowhere: the exporter is a thread and a backend of its own."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def telemetry(sampler: Sampler, shortest_span: float = 0.001) -> Telemetry:
    tracers = TracerProvider(sampler)
    tracers.add_span_processor(BatchSpanProcessor(Discarded()))
    meters = MeterProvider([InMemoryMetricReader()])
    return Telemetry(tracer_provider=tracers, meter_provider=meters, shortest_span=shortest_span)


def application(store: WriteStore, option: Telemetry | Literal[False] | None) -> Application:
    app = Application("bench", write=store, telemetry=option)

    @app.command_handler(Note)
    async def note(command: Note, unit: UnitOfWork) -> None:
        unit.record(Noted(number=command.number), stream="notes")

    @app.command_handler(Idle)
    async def idle(command: Idle) -> None:
        return None

    return app


async def measure() -> AsyncIterator[Ratio]:
    """Measure with all spans and with one of ten sampled, on a SQLite file, and the rest that remains when it is off."""
    calls: dict[str, Call] = {}
    options: dict[str, Telemetry | Literal[False]] = {
        "off": False,
        "all": telemetry(ALWAYS_ON),
        "nested": telemetry(ALWAYS_ON, 0.0),
        "sampled": telemetry(ParentBasedTraceIdRatio(0.1)),
    }
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        for name, option in options.items():
            engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder, name)}.db")
            opened.push_async_callback(engine.dispose)
            app = application(SqlAlchemy(engine), option)
            await app.create_schema()
            await opened.enter_async_context(app)
            calls[name] = app.dispatch, Note(number=1)
        took = await time_calls(calls, number=20, rounds=60)
        idle: dict[str, Call] = {}
        for name, choice in _IDLE.items():
            app = await opened.enter_async_context(application(InMemory(), choice))
            idle[name] = app.dispatch, Idle(number=1)
        took_idle = await time_calls(idle, number=500, rounds=400)
    off = took["off"]
    yield slower("command, SDK on, all sampled", "telemetry off", took["all"], off, 1.15)
    yield slower("command, SDK on, every nested span", "telemetry off", took["nested"], off, None)
    yield slower("command, SDK on, 1 of 10 sampled", "telemetry off", took["sampled"], off, 1.15)
    yield slower("command, API without provider", "telemetry off", took_idle["no provider"], took_idle["off"], 1.01)
