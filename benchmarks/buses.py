"""The buses, compared with awaiting the handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from benchmarks._ratio import Ratio, slower, time_calls
from twofold import (
    Aggregate,
    Application,
    Clock,
    Command,
    CommandBus,
    Event,
    EventBus,
    Query,
    QueryBus,
    Repository,
)
from twofold_memory import InMemory


class Place(Command[str]):
    number: int


class Ask(Query[str]):
    number: int


class Placed(Event, name="bench.placed"):
    number: int


class Thing(Aggregate, name="thing"):
    id: str
    size: int


async def handle(message: object) -> str:
    return "done"


async def react(event: Placed) -> None:
    return None


async def injected(command: Place, things: Repository[Thing], clock: Clock) -> str:
    return "done"


async def passing(message: Any, call_next: Any) -> Any:
    return await call_next(message)


async def measure() -> AsyncIterator[Ratio]:
    """Measure dispatch, execute and publish, on a bus alone and in an application."""
    bare, wrapped = CommandBus(), CommandBus(middleware=[passing, passing, passing])
    queries, events = QueryBus(), EventBus()
    bare.handler(Place)(handle)
    wrapped.handler(Place)(handle)
    queries.handler(Ask)(handle)
    for _ in range(3):
        events.handler(Placed)(react)
    app = Application("bench", write=InMemory())
    app.command_handler(Place)(injected)
    place, ask, placed = Place(number=1), Ask(number=1), Placed(number=1)

    async def three(placed: Placed) -> None:
        await react(placed)
        await react(placed)
        await react(placed)

    async with app:
        took = await time_calls(
            {
                "handler": (handle, place),
                "dispatch": (bare.dispatch, place),
                "dispatch, 3 middlewares": (wrapped.dispatch, place),
                "execute": (queries.execute, ask),
                "three handlers": (three, placed),
                "publish": (events.publish, placed),
                "application": (app.dispatch, place),
            },
            number=20_000,
        )
    direct = took["handler"]
    yield slower("dispatch", "awaiting the handler", took["dispatch"], direct, 1.6)
    yield slower("dispatch through 3 middlewares", "awaiting the handler", took["dispatch, 3 middlewares"], direct, 4.5)
    yield slower("execute", "awaiting the handler", took["execute"], direct, 1.6)
    yield slower("publish to 3 handlers", "awaiting the three", took["publish"], took["three handlers"], None)
    yield slower("dispatch in an application, 2 injected", "awaiting the handler", took["application"], direct, 12.0)
