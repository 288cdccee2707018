"""Publishing has one error contract, whatever the handlers are and however many there are."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.domains.orders import Boom, Paid, Placed
from twofold import Event, EventBus
from twofold._buses.chain import CallNext
from twofold.errors import HandlersFailed


def failing(style: str, error: Exception, started: list[str]) -> Any:
    """Return a handler that fails in one of three ways, once it has said that it started."""

    async def at_once(event: Placed) -> None:
        started.append("failing")
        raise error

    async def later(event: Placed) -> None:
        started.append("failing")
        await anyio.lowlevel.checkpoint()
        raise error

    def sync(event: Placed) -> None:
        started.append("failing")
        raise error

    return {"before the first await": at_once, "after it": later, "sync": sync}[style]


STYLES = pytest.mark.parametrize("style", ["before the first await", "after it", "sync"])


async def test_every_handler_is_called_in_order() -> None:
    """All handlers of an event are called, async and sync alike, in the order of registration."""
    bus, called = EventBus(), []

    @bus.handler(Placed)
    async def first(event: Placed) -> None:
        called.append(("first", event.number))

    @bus.handler(Placed)
    def second(event: Placed) -> None:
        called.append(("second", event.number))

    @bus.handler(Placed)
    class Third:
        async def __call__(self, event: Placed) -> None:
            called.append(("third", event.number))

    await bus.publish(Placed(number=5))
    assert called == [("first", 5), ("second", 5), ("third", 5)]


async def test_nothing_happens_without_a_handler() -> None:
    """Publishing an event without a handler succeeds."""
    await EventBus().publish(Placed())


async def test_a_handler_may_take_several_events() -> None:
    """One handler that is registered for two events receives both, and no other event."""
    bus = EventBus()
    called: list[Event] = []

    async def either(event: Any) -> None:
        called.append(event)

    bus.handler(Placed, Paid)(either)
    await bus.publish(Placed())
    await bus.publish(Paid())
    assert called == [Placed(), Paid()]


async def test_a_sync_handler_runs_in_a_worker_thread() -> None:
    """A handler that is not async does not block the event loop."""
    bus = EventBus()
    threads: list[int] = []

    @bus.handler(Placed)
    def handle(event: Placed) -> None:
        threads.append(threading.get_ident())

    await bus.publish(Placed())
    assert threads
    assert threads[0] != threading.get_ident()


@STYLES
@pytest.mark.parametrize("others", [0, 1, 4])
async def test_one_failure_is_a_group_of_one(style: str, others: int) -> None:
    """One failing handler gives a `HandlersFailed` of its very error, alone or among others, however it failed."""
    bus, error = EventBus(), Boom("no")
    started: list[str] = []

    async def fine(event: Placed) -> None:
        started.append("fine")

    bus.handler(Placed)(failing(style, error, started))
    for _ in range(others):
        bus.handler(Placed)(fine)
    with pytest.raises(HandlersFailed) as caught:
        await bus.publish(Placed())
    assert caught.value.exceptions == (error,)
    assert caught.value.message == f"1 of {others + 1} handler(s) of Placed failed"
    assert started == ["failing", *["fine"] * others]


async def test_all_failures_come_together() -> None:
    """Every handler is called, and every failure is in the group, in the order of registration."""
    bus = EventBus()
    started: list[str] = []
    errors = [Boom("first"), Boom("second"), Boom("third")]
    for style, error in zip(["before the first await", "after it", "sync"], errors, strict=True):
        bus.handler(Placed)(failing(style, error, started))
    with pytest.raises(HandlersFailed) as caught:
        await bus.publish(Placed())
    assert list(caught.value.exceptions) == errors
    assert started == ["failing"] * 3


async def test_failures_can_be_caught_by_kind() -> None:
    """`except*` takes the group apart; both parts remain what they are."""
    bus = EventBus()
    for error in (Boom("one"), LookupError("two")):
        bus.handler(Placed)(failing("after it", error, []))
    looked_up: list[Exception] = []
    with pytest.raises(HandlersFailed) as caught:
        try:
            await bus.publish(Placed())
        except* LookupError as group:
            looked_up.extend(group.exceptions)
    assert [str(error) for error in looked_up] == ["two"]
    assert [str(error) for error in caught.value.exceptions] == ["one"]


async def test_cancelling_starts_no_more_handlers() -> None:
    """A cancellation is not a failure of a handler. It ends the running handler, and the next one is not called."""
    bus = EventBus()
    called: list[str] = []

    @bus.handler(Placed)
    async def waits(event: Placed) -> None:
        called.append("waits")
        scope.cancel()
        await anyio.sleep_forever()

    @bus.handler(Placed)
    async def never(event: Placed) -> None:
        called.append("never")

    with anyio.CancelScope() as scope:
        await bus.publish(Placed())
    assert scope.cancelled_caught
    assert called == ["waits"]


async def test_middleware_surrounds_each_handler() -> None:
    """The bus's middleware runs around every handler, and one that handles an error leaves no failure."""
    seen: list[str] = []

    async def forgiving(message: Any, call_next: CallNext) -> Any:
        try:
            return await call_next(message)
        except Boom as error:
            seen.append(str(error))

    bus = EventBus(middleware=[forgiving])
    for text in ("one", "two"):
        bus.handler(Placed)(failing("before the first await", Boom(text), []))
    await bus.publish(Placed())
    assert seen == ["one", "two"]


async def test_a_handler_of_a_base_class_handles_every_subclass() -> None:
    """Handlers of base classes are called for subclasses, also for classes that are defined later, each handler once."""
    bus, called = EventBus(), []

    class Base(Event): ...

    @bus.handler(Base, Placed)
    async def base(event: Base | Placed) -> None:
        called.append(f"base {type(event).__name__}")

    @bus.handler(Event)
    async def everything(event: Event) -> None:
        called.append(f"all {type(event).__name__}")

    class Later(Base): ...

    await bus.publish(Later())
    await bus.publish(Paid(number=1))

    @bus.handler(Later, Base)
    async def later(event: Base) -> None:
        called.append(f"later {type(event).__name__}")

    await bus.publish(Later())
    assert called == ["base Later", "all Later", "all Paid", "base Later", "all Later", "later Later"]
