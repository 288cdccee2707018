"""The decorators return a handler with its exact type. Checked by `make check`; never executed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import assert_type

from twofold import CommandBus, Event, EventBus, QueryBus, ReadModel, Repository, Router, on

from .domain import Every, Get, Paid, Pay, Place, Placed, Row, Thing

router = Router("typed")
commands = CommandBus()
queries = QueryBus()
events = EventBus()


@router.command_handler(Place)
async def place(command: Place, things: Repository[Thing], *, copies: int = 1) -> str:
    return "placed"


@router.command_handler(Place)
def place_in_a_thread(command: Place, things: Repository[Thing]) -> str:
    return "placed"


@router.command_handler(Place)
class PlaceHandler:
    def __init__(self, things: Repository[Thing]) -> None:
        self.things = things

    async def __call__(self, command: Place, rows: ReadModel[Row]) -> str:
        return "placed"


@router.command_handler(Pay)
class PayInAThread:
    def __call__(self, command: Pay, rows: ReadModel[Row]) -> None: ...


@commands.handler(Place)
class DoublePlaceHandler(PlaceHandler):
    """A decorated class can be a base class."""


@router.query_handler(Get)
async def narrow(query: Get) -> Row:
    return Row(number=query.number)


@router.query_handler(Every)
async def every(query: Every, rows: ReadModel[Row]) -> AsyncGenerator[Row]:
    yield Row(number=1)


@router.query_handler(Every)
class EveryHandler:
    async def __call__(self, query: Every, rows: ReadModel[Row]) -> AsyncIterator[Row]:
        yield Row(number=1)


@router.event_handler(Placed, name="mail")
async def mail(event: Placed, things: Repository[Thing]) -> None: ...


@router.event_handler(Placed, name="mail_of_class")
class Mail:
    async def __call__(self, event: Placed, things: Repository[Thing]) -> None: ...


@events.handler(Event)
def audit(event: Event) -> None: ...


class Projection:
    @on(Placed)
    async def placed(self, event: Placed) -> int:
        return event.number


async def used(things: Repository[Thing], rows: ReadModel[Row], handler: PlaceHandler, projection: Projection) -> None:
    assert_type(await place(command=Place(number=1), things=things, copies=2), str)
    assert_type(await asyncio.create_task(place(Place(number=1), things)), str)
    assert_type(place_in_a_thread(command=Place(number=1), things=things), str)
    assert_type(PlaceHandler(things=things), PlaceHandler)
    assert_type(DoublePlaceHandler(things).things, Repository[Thing])
    assert_type(await handler(command=Place(number=1), rows=rows), str)
    assert_type(PayInAThread()(Pay(number=1), rows), None)
    assert_type(await narrow(query=Get(number=1)), Row)
    async with aclosing(every(query=Every(), rows=rows)) as items:
        assert_type(await anext(items), Row)
    assert_type(await anext(EveryHandler()(query=Every(), rows=rows)), Row)
    assert_type(await asyncio.create_task(mail(event=Placed(number=1), things=things)), None)
    assert_type(await Mail()(event=Placed(number=1), things=things), None)
    assert_type(audit(event=Paid(number=1)), None)
    assert_type(await asyncio.create_task(projection.placed(event=Placed(number=1))), int)
    assert_type(await commands.handler(Place)(place)(command=Place(number=1), things=things), str)
    assert_type(await commands.handler(Place)(handler)(command=Place(number=1), rows=rows), str)

    await place(Pay(number=1), things)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await place(Place(number=1))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    PlaceHandler()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await handler(Place(number=1))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await place_in_a_thread(Place(number=1), things)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class WrongCommand:
    async def __call__(self, command: Pay, rows: ReadModel[Row]) -> str:
        return "placed"


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class WrongResult:
    def __init__(self, things: Repository[Thing]) -> None: ...

    async def __call__(self, command: Place, rows: ReadModel[Row]) -> int:
        return 1


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class NotCallable:
    pass


@router.command_handler(Place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
def takes_nothing() -> str:
    return "placed"


@router.query_handler(Every)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def wrong_items(query: Every, rows: ReadModel[Row]) -> AsyncIterator[int]:
    yield 1


@router.query_handler(Get)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
async def stream_for_one(query: Get) -> AsyncIterator[Row]:
    yield Row(number=1)


@queries.handler(Every)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class WrongItems:
    async def __call__(self, query: Every) -> AsyncIterator[int]:
        yield 1


@router.event_handler(Placed, name="wrong_class")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
class WrongEvent:
    async def __call__(self, event: Paid, things: Repository[Thing]) -> None: ...


@events.handler(Placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
def wrong_event_in_a_thread(event: Paid) -> None: ...
