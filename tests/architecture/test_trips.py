"""The files of the core that a command and a start enter: few files, and few returns to a file.

A newcomer reads these files in this order. At each return, the reader has to go back.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import twofold
import twofold._application.running  # the package loads it late
import twofold._wiring.assembly
from twofold import Aggregate, Application, Cache, Command, Event, Query, ReadModel, Repository, View, on
from twofold_memory import InMemory, InMemoryCache, InMemoryTransport

_ROOT = str(Path(twofold.__file__).parent)

_RESUMED = CO_COROUTINE | CO_ASYNC_GENERATOR | CO_GENERATOR


class Placed(Event, name="trips.placed"):
    order_id: str
    product: str


class Order(Aggregate, name="trip_order"):
    id: str
    product: str

    @on(Placed)
    def _placed(self, event: Placed) -> None:
        self.id, self.product = event.order_id, event.product


class Place(Command[str]):
    order_id: str
    product: str


class OrderView(View, name="trip_order_view", key="order_id"):
    order_id: str
    text: str


class GetOrder(Query["OrderView | None"]):
    order_id: str


_KEY = "order:{order_id}"


async def place(command: Place, repository: Repository[Order]) -> str:
    """Place an order."""
    order = Order.begin(Placed(order_id=command.order_id, product=command.product))
    await repository.add(order)
    return order.id


class OrderViews:
    def __init__(self, views: ReadModel[OrderView]) -> None:
        self.views = views

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        await self.views.put(OrderView(order_id=event.order_id, text=event.product))


async def get_order(query: GetOrder, views: ReadModel[OrderView]) -> OrderView | None:
    """Return the row of an order."""
    return await views.get(query.order_id)


def application(**options: Any) -> Application:
    """Return an application with one handler of each kind, in memory."""
    app = Application("orders", write=InMemory(), cache=InMemoryCache(), **options)
    app.command_handler(Place)(place)
    app.projection("order_view")(OrderViews)
    app.query_handler(GetOrder, cache=Cache(ttl=60, key=_KEY, invalidated_by={Placed: _KEY}))(get_order)
    return app


class Trip:
    """The files that the current task enters, in order.

    Attributes:
        entered: the files. A file is listed again when the task returns to it to call another function there.
    """

    def __init__(self) -> None:
        self.entered: list[str] = []
        self._task = asyncio.current_task()
        self._resumed: dict[int, FrameType] = {}

    @property
    def files(self) -> Sequence[str]:
        """The files, each once."""
        return list(dict.fromkeys(self.entered))

    @property
    def returns(self) -> int:
        """How often the task returns to a file that it has left."""
        return len(self.entered) - len(self.files)

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        """Record the file of a call. A coroutine is called once, although it is resumed many times."""
        code = frame.f_code
        if event != "call" or code.co_name == "<module>" or not code.co_filename.startswith(_ROOT):
            return
        if asyncio.current_task() is not self._task:
            return
        if code.co_flags & _RESUMED:
            if id(frame) in self._resumed:
                return
            self._resumed[id(frame)] = frame
        if self.entered[-1:] != [code.co_filename]:
            self.entered.append(code.co_filename)


@contextmanager
def traced() -> Iterator[Trip]:
    """Trace the calls of the block."""
    trip, before = Trip(), sys.getprofile()
    sys.setprofile(trip.note)
    try:
        yield trip
    finally:
        sys.setprofile(before)


async def start() -> Trip:
    """Trace a start of an application with one handler of each kind, a relay and a cache."""
    app = application(transport=InMemoryTransport())
    app.relay(Placed)
    with traced() as trip:
        await app.__aenter__()
    await app.__aexit__(None, None, None)
    return trip


async def command(key: str | None = None, *, event_sourced: bool = False) -> Trip:
    """Trace the first command of a session, from the dispatch to the commit and back.

    An earlier command has compared the tags of the event with those that are recorded, which is done once in a process.
    """
    app = application(event_sourced=[Order] if event_sourced else [], work=False)
    async with app, app.session() as session:
        await app.dispatch(Place(order_id="0", product="Lantern"))
        with traced() as trip:
            await session.dispatch(Place(order_id="1", product="Lantern"), idempotency_key=key)
    return trip


def too_long(trip: Trip, *, files: int, returns: int | None = None) -> str | None:
    """Return the files of a trip that exceeds a bound, for the message of a failure."""
    if len(trip.files) <= files and (returns is None or trip.returns <= returns):
        return None
    entered = " > ".join(str(Path(each).relative_to(_ROOT)) for each in trip.entered)
    return f"{len(trip.files)} files, {trip.returns} returns: {entered}"


def test_a_start_enters_few_files() -> None:
    """A start, from `async with app` on, enters at most 35 files."""
    assert too_long(asyncio.run(start()), files=35) is None


@pytest.mark.parametrize(("event_sourced", "files", "returns"), [(False, 14, 10), (True, 16, 14)])
def test_a_command_enters_few_files(event_sourced: bool, files: int, returns: int) -> None:
    """A command enters at most 14 files and returns to a file at most 10 times; an event-sourced one replays its events."""
    assert too_long(asyncio.run(command(event_sourced=event_sourced)), files=files, returns=returns) is None


def test_a_longer_trip_is_found() -> None:
    """An idempotency key takes a command through more files, and more often back to one."""
    longer = asyncio.run(command(key="k"))
    assert too_long(longer, files=14)
    assert too_long(longer, files=len(longer.files), returns=10)
    assert too_long(longer, files=len(longer.files), returns=longer.returns) is None
