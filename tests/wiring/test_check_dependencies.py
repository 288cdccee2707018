"""Faults of injected parameters. Two mistakes of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

from tests.domains.orders import Ask, Place
from tests.wiring.applications import assert_reported, mistakes, with_command, with_query
from twofold import Application, CommandBus, EventBus, ReadModel, Repository


class Mailer:
    pass


class FastMailer(Mailer):
    pass


class Container(containers.DeclarativeContainer):
    mailer = providers.Factory(Mailer)
    fast = providers.Factory(FastMailer)


async def unprovided(command: Place, mailer: Mailer) -> str:
    return "placed"


async def unannotated(query: Ask, something) -> str:  # type: ignore[no-untyped-def]
    return "answer"


async def of_nothing(command: Place, things: Repository) -> str:  # type: ignore[type-arg]
    return "placed"


async def rows_of_nothing(query: Ask, rows: ReadModel) -> str:  # type: ignore[type-arg]
    return "answer"


async def marked(command: Place, mailer: Annotated[Mailer, Provide["mailer"]]) -> str:
    return "placed"


async def marked_wrongly(query: Ask, mailer: Annotated[Mailer, Provide["postman"]]) -> str:
    return "answer"


async def ambiguous(query: Ask, mailer: Mailer) -> str:
    return "answer"


async def query_that_commands(query: Ask, commands: CommandBus) -> str:
    return "answer"


async def marked_query(query: Ask, mailer: Annotated[Mailer, Provide["mailer"]]) -> str:
    return "answer"


async def marked_wrongly_too(command: Place, mailer: Annotated[Mailer, Provide["mailers"]]) -> str:
    return "placed"


async def query_that_publishes(query: Ask, events: EventBus) -> str:
    return "answer"


@mistakes(
    [
        (
            "nothing provides",
            lambda: with_command(unprovided),
            unprovided,
            "nothing provides the parameter 'mailer: Mailer'",
        ),
        ("nothing provides", lambda: with_query(unannotated), unannotated, "'something' (not annotated)"),
        (
            "query with a bus",
            lambda: with_query(query_that_commands),
            query_that_commands,
            "cannot take a bus that writes",
        ),
        (
            "query with a bus",
            lambda: with_query(query_that_publishes),
            query_that_publishes,
            "cannot take a bus that writes",
        ),
        ("marker", lambda: with_query(marked_query), marked_query, "the application has no container"),
        (
            "marker",
            lambda: with_command(marked_wrongly_too, container=Container()),
            marked_wrongly_too,
            "has no provider 'mailers'",
        ),
        ("marker", lambda: with_command(marked), marked, "the application has no container"),
        (
            "marker",
            lambda: with_query(marked_wrongly, container=Container()),
            marked_wrongly,
            "has no provider 'postman'",
        ),
        (
            "several providers",
            lambda: with_query(ambiguous, container=Container()),
            ambiguous,
            "2 providers of the container",
        ),
        ("several providers", lambda: with_command(unprovided, container=Container()), unprovided, "2 providers"),
        ("repository without a type", lambda: with_command(of_nothing), of_nothing, "has no type argument"),
        ("read model without a type", lambda: with_query(rows_of_nothing), rows_of_nothing, "has no type argument"),
    ]
)
def test_a_faulty_parameter_is_reported_with_its_place(
    make: Callable[[], Application], culprit: Any, text: str
) -> None:
    """`check()` reports the mistake, with the file and line of its cause."""
    assert_reported(make(), culprit, text)
