"""An application that other processes command and ask: how many there are of each article."""

from __future__ import annotations

from twofold import Aggregate, Command, Envelope, Event, Query, ReadModel, Repository, Router, View, on
from twofold.errors import TransientFailure


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


class Garbled(Exception):
    """An error whose text is not valid Unicode."""

    def __str__(self) -> str:
        return "half a pair \ud800, and NUL \0"


class Mute(Exception):
    """An error that fails to create its text."""

    def __str__(self) -> str:
        raise LookupError


class Break(Command[None], name="stock.break"):
    how: str


class GetLevel(Query["Level | None"], name="stock.get_level"):
    article: str


class GetTotal(Query[int], name="stock.get_total"):
    pass


class Unserved(Command[None], name="stock.unserved"):
    pass


class OutOfStock(Exception):
    """There is less than was asked for."""

    def __init__(self, article: str, left: int) -> None:
        self.article, self.left = article, left
        super().__init__(f"of {article} only {left} are left")


stock = Router("stock")


@stock.command_handler(Fill)
async def fill(command: Fill, stocks: Repository[Stock]) -> None:
    """Set the initial stock."""
    await stocks.add(Stock.begin(Filled(article=command.article, number=command.number)))


@stock.command_handler(Take)
async def take(command: Take, stocks: Repository[Stock]) -> int:
    """Remove a number of items, and return the rest."""
    found = await stocks.get(command.article)
    if found.number < command.number:
        raise OutOfStock(found.id, found.number)
    found.record(Taken(number=command.number))
    return found.number


@stock.command_handler(Break)
async def fail(command: Break) -> None:
    """Fail in some way."""
    raise {"key": KeyError, "busy": TransientFailure, "text": Garbled, "no text": Mute}[command.how]("on purpose")


@stock.command_handler(Unserved)
async def unserved(command: Unserved) -> None:
    """Be out of reach."""
    raise AssertionError("nobody may ask for this")


@stock.projection("levels")
class Levels:
    """The number of items of each article."""

    def __init__(self, levels: ReadModel[Level]) -> None:
        self.levels = levels

    @on(Filled)
    async def filled(self, event: Filled, envelope: Envelope[Filled]) -> None:
        await self.levels.put(Level(article=event.article, number=event.number, by=envelope.tenant))


@stock.query_handler(GetLevel)
async def get_level(query: GetLevel, levels: ReadModel[Level]) -> Level | None:
    """Return how many there are."""
    return await levels.get(query.article)


stock.serve(Fill, Take, Break, GetLevel, partitions=2)
