"""A small domain for the files of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twofold import Aggregate, Command, Event, Query, View


class Row(View, name="typed_row", key="number"):
    number: int


class Place(Command[str]):
    number: int


class Pay(Command[None]):
    number: int


class Get(Query["Row | None"]):
    number: int


class Every(Query[AsyncIterator[Row]]):
    pass


class Placed(Event, name="typed.placed"):
    number: int


class Paid(Event, name="typed.paid"):
    number: int


class Thing(Aggregate, name="typed_thing"):
    id: str
