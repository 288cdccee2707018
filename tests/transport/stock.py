"""An application that serves commands and queries to other processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from twofold import Aggregate, Application, Command, Envelope, Event, Module, Query, ReadModel, Repository, View, on
from twofold.errors import TransientFailure
from twofold.ports import WriteStore
from twofold_memory import InMemoryTransport


class Filled(Event, name="stock.filled"):
    article: str
    number: int


class Taken(Event, name="stock.taken"):
    number: int


class Stock(Aggregate, name="stock"):
    id: str
    number: int

    @on(Filled)
    def _filled(self, event: Filled) -> None:
        self.id, self.number = event.article, event.number

    @on(Taken)
    def _taken(self, event: Taken) -> None:
        self.number -= event.number


class Level(View, name="level", key="article"):
    article: str
    number: int
    by: str | None = None


class Fill(Command[None], name="stock.fill"):
    article: str
    number: int


class Take(Command[int], name="stock.take"):
    article: str
    number: int


class Break(Command[None], name="stock.break"):
    how: str


class GetLevel(Query["Level | None"], name="stock.get_level"):
    article: str


class GetTotal(Query[int], name="stock.get_total"):
    pass


class Unserved(Command[None], name="stock.unserved"):
    pass


class Nameless(Command[None]):
    pass


class OutOfStock(Exception):
    """There is less than the command takes."""

    def __init__(self, article: str, left: int) -> None:
        self.article, self.left = article, left
        super().__init__(f"of {article} only {left} are left")


stock = Module("stock")


@stock.command_handler(Fill)
async def fill(command: Fill, stocks: Repository[Stock]) -> None:
    """Create the stock of an article."""
    await stocks.add(Stock.begin(Filled(article=command.article, number=command.number)))


@stock.command_handler(Take)
async def take(command: Take, stocks: Repository[Stock]) -> int:
    """Take articles, and return the number that is left."""
    found = await stocks.get(command.article)
    if found.number < command.number:
        raise OutOfStock(found.id, found.number)
    found.record(Taken(number=command.number))
    return found.number


@stock.command_handler(Break)
async def fail(command: Break) -> None:
    """Raise the error that the command names."""
    raise {"key": KeyError, "busy": TransientFailure}[command.how]("on purpose")


@stock.command_handler(Unserved)
async def unserved(command: Unserved) -> None:
    """Fail, because no other process may send this command."""
    raise AssertionError("nobody may ask for this")


@stock.projection("levels")
class Levels:
    """The stock of each article."""

    def __init__(self, levels: ReadModel[Level]) -> None:
        self.levels = levels

    @on(Filled)
    async def filled(self, event: Filled, envelope: Envelope[Filled]) -> None:
        await self.levels.put(Level(article=event.article, number=event.number, by=envelope.tenant))


@stock.query_handler(GetLevel)
async def get_level(query: GetLevel, levels: ReadModel[Level]) -> Level | None:
    """Return the stock of an article."""
    return await levels.get(query.article)


stock.serve(Fill, Take, Break, GetLevel, partitions=2)


@asynccontextmanager
async def serving(store: WriteStore, broker: InMemoryTransport) -> AsyncIterator[Application]:
    """Run the application that serves the stock."""
    app = Application("stock", write=store, transport=broker)
    app.include(stock)
    await app.create_schema()
    with anyio.fail_after(60):
        async with app:
            yield app
