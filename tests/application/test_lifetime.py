"""The arguments of a handler can be used until the handler ends, and begin no transaction afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from twofold import (
    Aggregate,
    Application,
    Command,
    CommandBus,
    Event,
    Query,
    ReadModel,
    Repository,
    Scheduler,
    UnitOfWork,
    View,
    on,
)
from twofold.errors import ReadOnlyUnitOfWork, UnitOfWorkClosed
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.watched import BEGIN, BEGIN_READING, watched


class Made(Event, name="lifetime.made"):
    id: str


class Thing(Aggregate, name="lifetime_thing"):
    id: str

    @on(Made)
    def _made(self, event: Made) -> None:
        self.id = event.id


class Row(View, name="lifetime_row", key="id"):
    id: str


class Make(Command[None]):
    id: str


class Keep(Command[None]):
    touch: bool = False
    fail: bool = False


class KeepNested(Command[None]):
    pass


class Remind(Command[None], name="lifetime.remind"):
    pass


class Ask(Query[None]):
    touch: bool = False


class Iterate(Query[AsyncIterator[int]]):
    record: bool = False


class RecordInQuery(Query[None]):
    pass


class Kept(NamedTuple):
    """The arguments that a handler has stored."""

    things: Repository[Thing]
    rows: ReadModel[Row]
    unit: UnitOfWork | None = None
    scheduler: Scheduler | None = None


USES: dict[str, Callable[[Kept], Awaitable[Any]]] = {
    "get": lambda kept: kept.things.get("1"),
    "find": lambda kept: kept.things.find("1"),
    "version": lambda kept: kept.things.version("1"),
    "add": lambda kept: kept.things.add(Thing.begin(Made(id="2"))),
    "get a row": lambda kept: kept.rows.get("1"),
    "find rows": lambda kept: kept.rows.find(),
    "count rows": lambda kept: kept.rows.count(),
}

UNIT_USES: dict[str, Callable[[UnitOfWork], Awaitable[Any]]] = {
    "transaction": lambda unit: unit.transaction(),
    "load": lambda unit: unit.load(Thing, "1"),
}


ROW_USES: list[Callable[[ReadModel[Row]], Awaitable[Any]]] = [
    lambda rows: rows.put(Row(id="2")),
    lambda rows: rows.get("1"),
    lambda rows: rows.get_many(["1"]),
    lambda rows: rows.delete("1"),
    lambda rows: rows.update("1"),
    lambda rows: rows.find(),
]


class Lab(NamedTuple):
    """An application, the stored arguments of its handlers, and the transactions that were begun."""

    app: Application
    kept: list[Kept]
    begun: list[str]
    reacted: list[Kept]
    projected: list[ReadModel[Row]]

    async def refuses(self) -> None:
        """Check that every use of a stored argument raises and begins no transaction."""
        before = len(self.begun)
        assert self.kept
        for kept in self.kept:
            for what, use in USES.items():
                with pytest.raises(UnitOfWorkClosed):
                    await use(kept)
                    pytest.fail(what)
            if kept.scheduler is not None:
                with pytest.raises(UnitOfWorkClosed):
                    await kept.scheduler.schedule(Remind(), at=datetime.now(UTC))
                with pytest.raises(UnitOfWorkClosed):
                    await kept.scheduler.cancel("x")
            if kept.unit is not None:
                for use_unit in UNIT_USES.values():
                    with pytest.raises(UnitOfWorkClosed):
                        await use_unit(kept.unit)
                with pytest.raises(UnitOfWorkClosed):
                    kept.unit.record(Made(id="3"))
        assert len(self.begun) == before


def commands(app: Application, kept: list[Kept]) -> None:
    """Register commands that store their arguments."""

    @app.command_handler(Make)
    async def make(command: Make, things: Repository[Thing]) -> None:
        await things.add(Thing.begin(Made(id=command.id)))

    @app.command_handler(Remind)
    async def remind(command: Remind) -> None: ...

    @app.command_handler(Keep)
    async def keep(
        command: Keep, things: Repository[Thing], rows: ReadModel[Row], unit: UnitOfWork, scheduler: Scheduler
    ) -> None:
        kept.append(Kept(things, rows, unit, scheduler))
        if command.touch:
            await things.get("1")
            await rows.get("1")
        if command.fail:
            raise LookupError

    @app.command_handler(KeepNested)
    async def nested(command: KeepNested, things: Repository[Thing], rows: ReadModel[Row], bus: CommandBus) -> None:
        await bus.dispatch(Keep(touch=True))
        inner = kept.pop()
        with pytest.raises(UnitOfWorkClosed):
            await inner.things.get("1")
        assert (await things.get("1")).id == "1"
        kept.append(Kept(things, rows))


def queries(app: Application, kept: list[Kept]) -> None:
    """Register queries that do."""

    @app.query_handler(Ask)
    async def ask(query: Ask, things: Repository[Thing], rows: ReadModel[Row]) -> None:
        kept.append(Kept(things, rows))
        if query.touch:
            await things.get("1")
            await rows.get("1")

    @app.query_handler(Iterate)
    async def iterate(query: Iterate, things: Repository[Thing], rows: ReadModel[Row]) -> AsyncIterator[int]:
        kept.append(Kept(things, rows))
        yield 1
        if query.record:
            (await things.get("1")).record(Made(id="1"))
        yield 2

    @app.query_handler(RecordInQuery)
    async def record(query: RecordInQuery, things: Repository[Thing]) -> None:
        (await things.get("1")).record(Made(id="1"))


def subscriptions(app: Application, kept: list[Kept], projected: list[ReadModel[Row]]) -> None:
    """Register an event handler and a projection that do."""

    @app.event_handler(Made, name="keeper", start="beginning")
    async def react(event: Made, things: Repository[Thing], rows: ReadModel[Row]) -> None:
        await rows.get("1")
        kept.append(Kept(things, rows))

    @app.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows
            projected.append(rows)

        @on(Made)
        async def made(self, event: Made) -> None:
            await self.rows.put(Row(id=event.id))


@pytest.fixture
async def lab(store: WriteStore) -> AsyncIterator[Lab]:
    """Run an application whose subscriptions have handled an event already."""
    begun: list[str] = []
    kept: list[Kept] = []
    reacted: list[Kept] = []
    projected: list[ReadModel[Row]] = []

    async def hook(at: str, about: str) -> None:
        if at in (BEGIN, BEGIN_READING):
            begun.append(at)

    app = Application("lifetime", write=watched(store, hook))
    commands(app, kept)
    queries(app, kept)
    subscriptions(app, kept, projected)
    await app.create_schema()
    async with app:
        await app.dispatch(Make(id="1"))
        await app.settle()
        reacted.extend(kept)
    kept.clear()
    answering = Application("lifetime", write=app.write, work=False)
    answering.include(app)
    async with answering:
        yield Lab(answering, kept, begun, reacted, projected)


@pytest.mark.parametrize("touch", [False, True], ids=["untouched", "touched"])
async def test_after_a_command(lab: Lab, touch: bool) -> None:
    """Nothing works after the handler, whether it was used before or not."""
    await lab.app.dispatch(Keep(touch=touch))
    await lab.refuses()


@pytest.mark.parametrize("touch", [False, True], ids=["untouched", "touched"])
async def test_after_a_command_that_failed(lab: Lab, touch: bool) -> None:
    """Arguments cannot be used after a handler that raised."""
    with pytest.raises(LookupError):
        await lab.app.dispatch(Keep(touch=touch, fail=True))
    await lab.refuses()


async def test_after_a_nested_command(lab: Lab) -> None:
    """The arguments of a nested handler end with the nested handler, although the unit of work continues."""
    await lab.app.dispatch(KeepNested())
    await lab.refuses()


@pytest.mark.parametrize("touch", [False, True], ids=["untouched", "touched"])
async def test_after_a_query(lab: Lab, touch: bool) -> None:
    """Arguments cannot be used after a query."""
    await lab.app.execute(Ask(touch=touch))
    await lab.refuses()


async def test_after_a_stream(lab: Lab) -> None:
    """Arguments cannot be used after a streaming query."""
    assert [item async for item in lab.app.stream(Iterate())] == [1, 2]
    await lab.refuses()


async def test_a_query_that_records_is_refused(lab: Lab) -> None:
    """A query that records an event is refused. The error names the event and the aggregate."""
    with pytest.raises(ReadOnlyUnitOfWork, match=r"RecordInQuery.*recorded Made on lifetime_thing-1"):
        await lab.app.execute(RecordInQuery())
    head = await lab.app.write.log.head()
    assert head == 1


async def test_a_stream_that_records_is_refused(lab: Lab) -> None:
    """The same holds at the end of a streaming query."""
    with pytest.raises(ReadOnlyUnitOfWork, match=r"Iterate.*recorded Made"):
        assert [item async for item in lab.app.stream(Iterate(record=True))] == [1, 2]


async def test_after_a_event_handler(lab: Lab) -> None:
    """Arguments cannot be used after an event handler."""
    lab.kept.extend(lab.reacted)
    await lab.refuses()


async def test_after_a_projection(lab: Lab) -> None:
    """Rows of a projection can be neither read nor written after the projection, because writes would be lost."""
    assert lab.projected
    for rows in lab.projected:
        for use in ROW_USES:
            with pytest.raises(UnitOfWorkClosed):
                await use(rows)
