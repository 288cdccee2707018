"""Messages, a view, an aggregate and a projection for the tests of this folder."""

from __future__ import annotations

from twofold import Aggregate, Command, Event, Query, ReadModel, View, on


class Place(Command[str]):
    number: int = 1


class Cancel(Command[None]):
    number: int


class Ask(Query[str]):
    number: int = 1


class Look(Query[int]):
    number: int = 1


class Placed(Event, name="wiring.placed"):
    number: int = 1


class Row(View, name="wiring_row", key="number"):
    number: int


class Thing(Aggregate, name="thing"):
    id: str


class Rows:
    def __init__(self, rows: ReadModel[Row]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None: ...
