"""Faults of projections and event handlers. Two mistakes of each kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tests.domains.orders import Ask, Place, Placed
from tests.wiring.applications import app, assert_reported, mistakes, with_event_handler, with_projection, with_query
from tests.wiring.domain import Rows
from twofold import Application, CommandBus, QueryBus, Session, on
from twofold_memory import InMemory


async def place(command: Place) -> str:
    return "placed"


async def ask(query: Ask) -> str:
    return "answer"


async def ask_again(query: Ask) -> str:
    return "answer"


async def react(event: Placed) -> None:
    return None


class RowsAgain(Rows):
    pass


class TakesBus:
    def __init__(self, commands: CommandBus) -> None:
        self.commands = commands

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


class TakesSession:
    @on(Placed)
    async def placed(self, event: Placed, session: Session, queries: QueryBus) -> None:
        return None


class TakesNothing:
    pass


def across(name: str) -> Application:
    """Return an application with an inline projection over two stores."""
    made = app(read=InMemory())
    made.projection(name, mode="inline")(Rows if name == "rows" else RowsAgain)
    return made


def named_twice(second: Any) -> Application:
    """Return an application with a projection and another subscription of its name."""
    made = with_projection(Rows)
    if inspect.isclass(second):
        made.projection("rows")(second)
    else:
        made.event_handler(Placed, name="rows")(second)
    return made


@mistakes(
    [
        ("unknown projection", lambda: with_query(ask, reads="nowhere"), ask, "unknown projection 'nowhere'"),
        ("unknown projection", lambda: with_query(ask_again, reads="rows"), ask_again, "Known projections: none"),
        ("projection with a bus", lambda: with_projection(TakesBus), TakesBus, "cannot take a bus"),
        ("projection with a bus", lambda: with_projection(TakesSession), TakesSession, "cannot take a bus"),
        ("projection without events", lambda: with_projection(TakesNothing), TakesNothing, "handles no event"),
        ("projection without events", lambda: with_projection(place), place, "is not a class"),
        (
            "one name for two subscriptions",
            lambda: named_twice(RowsAgain),
            RowsAgain,
            "two subscriptions are named 'rows'",
        ),
        ("one name for two subscriptions", lambda: named_twice(react), react, "two subscriptions are named 'rows'"),
        (
            "unknown order field",
            lambda: with_projection(Rows, partition_by="user"),
            Rows,
            "partition_by='user' is not a field",
        ),
        (
            "unknown order field",
            lambda: with_event_handler(Placed, react, partition_by="user"),
            react,
            "partition_by='user' is not a field",
        ),
        ("inline across stores", lambda: across("rows"), Rows, "one transaction cannot span both"),
        ("inline across stores", lambda: across("again"), RowsAgain, "one transaction cannot span both"),
    ]
)
def test_a_faulty_subscription_is_reported_with_its_place(
    make: Callable[[], Application], culprit: Any, text: str
) -> None:
    """`check()` reports the mistake, with the file and line of its cause."""
    assert_reported(make(), culprit, text)
