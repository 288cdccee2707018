"""Mistakes in handlers that would lose writes without a word: each is an error, and nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import Any

import pytest

from twofold import (
    Aggregate,
    Application,
    Command,
    CommandBus,
    Event,
    EventBus,
    Query,
    QueryBus,
    ReadModel,
    Repository,
    Retry,
    Router,
    Scheduler,
    Session,
    UnitOfWork,
    View,
    on,
)
from twofold.errors import ConfigurationError, InvalidDefinition, NotAdded, NotAwaited, NotRecorded
from twofold.ports import START
from twofold_memory import InMemory


@pytest.fixture
def kind() -> str:
    """Run in memory: nothing here depends on the adapter."""
    return "memory-asyncio"


class Placed(Event, name="mistakes.placed"):
    id: str


class Paid(Event, name="mistakes.paid"):
    id: str


class Order(Aggregate, name="mistaken_order"):
    id: str
    paid: bool
    lines: list[str]

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id, self.paid, self.lines = event.id, False, []

    @on(Paid)
    def _paid(self, event: Paid) -> None:
        self.paid = True


class Act(Command[str], name="mistakes.act"):
    id: str = "a"


class Look(Query[str]):
    pass


class Row(View, name="mistaken_row", key="id"):
    id: str


@asynccontextmanager
async def app_with(handler: Any, *routers: Router, event_sourced: bool = False) -> AsyncIterator[Application]:
    """Run an application whose command has this handler."""
    app = Application("mistakes", write=InMemory(), event_sourced=[Order] if event_sourced else [])
    registration: Any = app.command_handler(Act)
    registration(handler)

    @app.query_handler(Look)
    async def look(query: Look) -> str:
        return "seen"

    for router in routers:
        app.include(router)
    async with app:
        yield app


async def refused(handler: Any, error: type[Exception], match: str, **options: Any) -> None:
    """Check that a command with this handler raises an error, and writes nothing."""
    async with app_with(handler, **options) as app:
        with pytest.raises(error, match=match):
            await app.dispatch(Act())
        assert await app.write.log.head() == START


async def test_an_aggregate_that_is_never_added() -> None:
    """An aggregate that recorded an event, in a handler or in a nested one, has to be added."""

    async def begun(command: Act, orders: Repository[Order]) -> str:
        Order.begin(Placed(id=command.id))
        return "placed"

    async def recorded(command: Act, orders: Repository[Order]) -> str:
        order = Order.replay(Placed(id=command.id))
        order.record(Paid(id=command.id))
        return "paid"

    for handler in (begun, recorded):
        await refused(handler, NotAdded, "Order a recorded .*await repository.add")


async def test_an_aggregate_that_is_begun_and_given_up() -> None:
    """An aggregate that a savepoint undid, or that was added and removed again, is not missed."""

    async def run(command: Act, orders: Repository[Order], unit: UnitOfWork) -> str:
        with pytest.raises(LookupError):
            async with unit.savepoint():
                Order.begin(Placed(id="b"))
                raise LookupError
        order = Order.begin(Placed(id="c"))
        await orders.add(order)
        await orders.remove(order)
        return "nothing"

    async with app_with(run) as app:
        assert await app.dispatch(Act()) == "nothing"


FORGOTTEN: dict[str, Callable[..., object]] = {
    "Repository.add": lambda orders, **_: orders.add(Order.replay(Placed(id="a"))),
    "Repository.get": lambda orders, **_: orders.get("a"),
    "publish": lambda events, **_: events.publish(Placed(id="a")),
    "Session.dispatch": lambda session, **_: session.dispatch(Act(id="b")),
    "Session.execute": lambda session, **_: session.execute(Look()),
    "handle": lambda commands, **_: commands.dispatch(Act(id="b")),
    "handle ": lambda queries, **_: queries.execute(Look()),
    "Scheduler.cancel": lambda scheduler, **_: scheduler.cancel("a"),
    "CommittedRows.get": lambda rows, **_: rows.get("a"),
}


@pytest.mark.parametrize("name", FORGOTTEN)
async def test_a_call_that_is_never_awaited(name: str) -> None:
    """A call of any parameter of a handler has to be awaited before the handler ends."""
    router = Router("rows")

    @router.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Placed)
        async def placed(self, event: Placed) -> None:
            await self.rows.put(Row(id=event.id))

    async def run(
        command: Act,
        orders: Repository[Order],
        rows: ReadModel[Row],
        events: EventBus,
        commands: CommandBus,
        queries: QueryBus,
        session: Session,
        scheduler: Scheduler,
    ) -> str:
        FORGOTTEN[name](
            orders=orders, rows=rows, events=events, commands=commands, queries=queries, session=session,
            scheduler=scheduler,
        )  # fmt: skip
        return "done"

    async with app_with(run, router) as app:
        with pytest.raises(NotAwaited, match=rf"{name.strip()}\(\) was called and never awaited"):
            await app.dispatch(Act())
        assert await app.write.log.head() == START


async def test_a_callback_that_does_not_await() -> None:
    """A call in a callback before the commit has to be awaited, too."""

    async def run(command: Act, orders: Repository[Order], unit: UnitOfWork) -> str:
        async def add() -> None:
            orders.add(Order.begin(Placed(id=command.id)))  # type: ignore[unused-coroutine]

        unit.before_commit(add)
        return "placed"

    await refused(run, NotAwaited, r"Repository.add\(\) was called and never awaited")


async def test_a_projection_that_does_not_await() -> None:
    """A write of a projection that is not awaited parks the event, with the reason."""
    router = Router("rows")

    @router.projection("rows", retry=Retry(attempts=1))
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Placed)
        async def placed(self, event: Placed) -> None:
            self.rows.put(Row(id=event.id))  # type: ignore[unused-coroutine]

    async def run(command: Act, orders: Repository[Order]) -> str:
        await orders.add(Order.begin(Placed(id=command.id)))
        return "placed"

    async with app_with(run, router) as app:
        await app.dispatch(Act())
        await app.settle()
        reasons = [each.reason.partition(",")[0] for each in await app.operations.parked("rows")]
        assert reasons == ["NotAwaited: ProjectedRows.put() was called and never awaited"]


async def test_a_change_that_no_event_records() -> None:
    """An attribute of an event-sourced aggregate that is set outside of `on`, or changed in place, is refused."""

    def sets(order: Order) -> None:
        order.paid = True

    def appends(order: Order) -> None:
        order.lines.append("a")

    def overrides(order: Order) -> None:
        order.record(Paid(id=order.id))
        order.paid = False

    for change in (sets, appends, overrides):

        async def new(command: Act, orders: Repository[Order], change: Any = change) -> str:
            order = Order.begin(Placed(id=command.id))
            await orders.add(order)
            change(order)
            return "placed"

        await refused(new, NotRecorded, "attribute '(paid|lines)' differs", event_sourced=True)

        async def loaded(command: Act, orders: Repository[Order], change: Any = change) -> str:
            order = await orders.find(command.id)
            if order is None:
                await orders.add(Order.begin(Placed(id=command.id)))
            else:
                change(order)
            return "changed"

        async with app_with(loaded, event_sourced=True) as app:
            await app.dispatch(Act())
            with pytest.raises(NotRecorded):
                await app.dispatch(Act())
        async with app_with(loaded) as app:
            assert [await app.dispatch(Act()) for _ in range(2)] == ["changed"] * 2


async def test_a_handler_that_is_registered_too_late() -> None:
    """A handler of any kind that is registered while the application runs is refused, on a router that it includes, too."""

    async def run(command: Act) -> str:
        return "done"

    router, inner = Router("late"), Router("inner")
    router.include(inner)
    late: dict[str, Callable[[Any], object]] = {
        "event_handler": lambda where: where.event_handler(Placed, name="late")(run),
        "query_handler": lambda where: where.query_handler(Look)(run),
        "projection": lambda where: where.projection("late")(Order),
        "use": lambda where: where.use(run),
        "consume": lambda where: where.consume(Placed, source="shop"),
    }
    async with app_with(run, router) as app:
        for where in (app, router, inner):
            for register in late.values():
                with pytest.raises(ConfigurationError, match="'mistakes' is running"):
                    register(where)
    late["event_handler"](inner)  # the next start has it


async def test_a_router_is_complete_when_the_application_starts() -> None:
    """A handler that a router gets after it was included, and before the start, is there."""
    app, outer, inner = Application("mistakes", write=InMemory()), Router("outer"), Router("inner")
    app.include(outer)
    outer.include(inner)

    @inner.command_handler(Act)
    async def run(command: Act) -> str:
        return "done"

    async with app:
        assert await app.dispatch(Act()) == "done"


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function by one that is not async."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def run_act(command: Act) -> str:
    """Handle the command."""
    await asyncio.sleep(0)
    return "done"


class CallableHandler:
    """An object that returns a coroutine."""

    def __call__(self, command: Act) -> Awaitable[str]:
        return run_act(command)


class DecoratedHandler:
    """An object whose method is decorated."""

    @traced
    async def __call__(self, command: Act) -> str:
        return await run_act(command)


def returns_task(command: Act) -> Awaitable[str]:
    """Return a call of an async function."""
    return run_act(command)


async def forgets_await(command: Act) -> Any:
    """Return a call of an async function without awaiting it."""
    return run_act(command)


def returns_call(command: Act, orders: Repository[Order]) -> Awaitable[str]:
    """Return a call of an async function, with an injected parameter."""
    return orders_act(command, orders)


async def orders_act(command: Act, orders: Repository[Order]) -> str:
    """Handle the command with an injected parameter."""
    return "done" if await orders.find(command.id) is None else "found"


HANDLERS = [
    traced(run_act), partial(run_act), partial(traced(run_act)), returns_task, CallableHandler(), DecoratedHandler(),
    forgets_await, returns_call, traced(orders_act), partial(orders_act),
]  # fmt: skip


@pytest.mark.parametrize("handler", HANDLERS, ids=range(len(HANDLERS)))
async def test_an_awaitable_that_a_handler_returns_is_awaited(handler: Any) -> None:
    """A handler's awaitable is awaited, whatever wraps it, with an idempotency key too."""
    async with app_with(handler) as app:
        assert await app.dispatch(Act()) == "done"
        assert await app.dispatch(Act(), idempotency_key="k") == "done"
    if handler in HANDLERS[:6]:
        bus = CommandBus()
        bus.handler(Act)(handler)
        assert await bus.dispatch(Act()) == "done"


async def test_an_event_method_that_returns_an_awaitable() -> None:
    """An async `on` method of an aggregate, hidden by a decorator, is refused when it applies an event."""

    class Hidden(Aggregate, name="hidden"):
        id: str

        @on(Placed)
        @traced
        async def _placed(self, event: Placed) -> None:
            self.id = event.id

    with pytest.raises(InvalidDefinition, match="returns an awaitable"):
        Hidden.begin(Placed(id="a"))


async def test_a_dispatch_with_a_key_runs_in_any_task() -> None:
    """`Application.dispatch` with an idempotency key opens its session where it runs."""
    async with app_with(run_act) as app:
        assert (
            await asyncio.gather(*(app.dispatch(Act(), idempotency_key=f"k{each}") for each in range(2)))
            == ["done"] * 2
        )
        assert await asyncio.create_task(app.dispatch(Act(), idempotency_key="task")) == "done"
        assert await asyncio.wait_for(app.dispatch(Act(), idempotency_key="wait"), 60) == "done"


async def test_published_events_do_not_wait_for_each_other() -> None:
    """Events that commands publish without a stream are independent: a failing one parks only those of its command."""
    router = Router("rows")

    @router.projection("rows", retry=Retry(attempts=1))
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Placed, Paid)
        async def placed(self, event: Placed | Paid) -> None:
            if event.id == "3":
                raise LookupError(event.id)
            await self.rows.put(Row(id=event.id))

    async def run(command: Act, events: EventBus) -> str:
        await events.publish(Placed(id=command.id))
        await events.publish(Paid(id=command.id))
        return "published"

    async with app_with(run, router) as app:
        for number in range(10):
            await app.dispatch(Act(id=str(number)))
        await app.settle()
        assert len(await app.operations.parked("rows")) == 2
        streams = [event.stream for event in (await app.write.log.read_all()).events]
        assert len(set(streams)) == 10
        assert streams[0] == streams[1]
