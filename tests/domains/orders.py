"""The smallest domain: orders that are numbers. For tests to which the messages mean nothing."""

from __future__ import annotations

from twofold import Command, Event, Query, View


class Place(Command[str]):
    number: int = 1


class Cancel(Command[None]):
    number: int = 1


class Ask(Query[str]):
    number: int = 1


class Look(Query[int]):
    number: int = 1


class Placed(Event, name="orders.placed"):
    number: int = 1


class Paid(Event, name="orders.paid"):
    number: int = 1


class Row(View, name="orders_row", key="number"):
    number: int


class Boom(Exception):
    """The error that a test raises in a handler."""
