"""Faults of events, views and aggregates that an application uses. Two mistakes of each kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tests.domains.orders import Ask, Place, Placed, Row
from tests.wiring.applications import (
    assert_reported,
    both,
    mistakes,
    with_command,
    with_event_handler,
    with_projection,
    with_query,
)
from twofold import Aggregate, Application, Event, ReadModel, Repository, View, on


class Nameless(Event):
    number: int


class AlsoNameless(Event):
    number: int


class Twin(Event, name="orders.placed"):
    number: int


class Second(Event, name="check.second", version=2):
    number: int


class Third(Event, name="check.third", version=3):
    number: int


class RowTwin(View, name="orders_row", key="number"):
    number: int


class NoRow(View):
    number: int


class NamelessThing(Aggregate):
    id: str
    size: int


class Stateless(Aggregate, name="stateless"):
    def __init__(self) -> None:
        self.id = "1"


class Unwritable(Aggregate, name="unwritable"):
    id: str
    what: Callable[[object], object]
    socket: inspect.Signature


async def of_no_view(query: Ask, rows: ReadModel[NoRow]) -> str:
    return "answer"


async def of_nameless(command: Place, things: Repository[NamelessThing]) -> str:
    return "placed"


async def of_nameless_too(query: Ask, things: Repository[NamelessThing]) -> str:
    return "answer"


async def of_stateless(command: Place, things: Repository[Stateless]) -> str:
    return "placed"


async def of_unwritable(command: Place, things: Repository[Unwritable]) -> str:
    return "placed"


async def both_rows(query: Ask, rows: ReadModel[Row], twins: ReadModel[RowTwin]) -> str:
    return "answer"


async def react(event: Placed) -> None:
    return None


async def react_to_nameless(event: Nameless) -> None:
    return None


async def react_to_twin(event: Twin) -> None:
    return None


async def react_to_second(event: Second) -> None:
    return None


class TakesNoRow:
    def __init__(self, rows: ReadModel[NoRow]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


class TakesNameless:
    @on(AlsoNameless)
    async def happened(self, event: AlsoNameless) -> None:
        return None


class TakesThird:
    @on(Third)
    async def happened(self, event: Third) -> None:
        return None


@mistakes(
    [
        ("event without a name", lambda: with_event_handler(Nameless, react_to_nameless), Nameless, "no stable name"),
        ("event without a name", lambda: with_projection(TakesNameless), AlsoNameless, "no stable name"),
        (
            "one name for two classes",
            lambda: both(with_event_handler(Placed, react), with_event_handler(Twin, react_to_twin)),
            Twin,
            "orders.placed",
        ),
        ("one name for two classes", lambda: with_query(both_rows), RowTwin, "two views are named 'orders_row'"),
        ("missing upcaster", lambda: with_event_handler(Second, react_to_second), Second, "version 1 to 2"),
        ("missing upcaster", lambda: with_projection(TakesThird), Third, "version 2 to 3"),
        ("view without rows", lambda: with_query(of_no_view), of_no_view, "has no name and key"),
        ("view without rows", lambda: with_projection(TakesNoRow), TakesNoRow, "has no name and key"),
        ("aggregate without a name", lambda: with_command(of_nameless), of_nameless, "has no stable name"),
        ("aggregate without a name", lambda: with_query(of_nameless_too), of_nameless_too, "has no stable name"),
        (
            "state that cannot be stored",
            lambda: with_command(of_stateless),
            Stateless,
            "cannot store Stateless: it annotates no attribute",
        ),
        (
            "state that cannot be stored",
            lambda: with_command(of_unwritable),
            Unwritable,
            "the write store cannot store Unwritable: it has no JSON",
        ),
    ]
)
def test_a_faulty_definition_is_reported_with_its_place(
    make: Callable[[], Application], culprit: Any, text: str
) -> None:
    """`check()` reports the mistake, with the file and line of its cause."""
    assert_reported(make(), culprit, text)
