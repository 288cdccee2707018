"""The pipeline of a message is a list of named steps, and the callable that runs them."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import Application, Command, CommandBus, Event, EventBus, Query, QueryBus, UnitOfWork
from twofold._buses.chain import CallNext
from twofold._dispatch.pipeline import pipeline
from twofold._dispatch.steps import Step
from twofold._wiring.assembly import assemble
from twofold.errors import ConfigurationError
from twofold_memory import InMemory


class Place(Command[str]):
    number: int = 1


class Ask(Query[str]):
    number: int = 1


class Placed(Event, name="pipelines.placed"):
    number: int


async def passing(message: Any, call_next: CallNext) -> Any:
    """Do nothing."""
    return await call_next(message)


def shop() -> Application:
    """Return an application with a command and a query, and a middleware around and inside the unit of work."""
    app = Application("pipelines", write=InMemory(), middleware=[passing])
    app.use(passing, on=Command, inside=True)

    @app.command_handler(Place, key="number")
    async def place(command: Place, unit: UnitOfWork) -> str:
        return "placed"

    @app.query_handler(Ask)
    async def ask(query: Ask) -> str:
        return "answer"

    return app


def test_the_steps_of_a_command_are_named_in_the_order_in_which_they_run() -> None:
    """A command waits for its turn, opens its unit of work, claims its key, is handled, commits and announces its events."""
    pipelines = assemble(shop()._parts).services.command_pipelines
    assert [step.name for step in pipelines[Place].steps] == [
        "middleware",
        "lock",
        "lock",
        "unit of work",
        "claim",
        "middleware",
        "handler",
        "commit",
        "announce",
    ]


def test_the_steps_of_a_query_are_named_in_the_order_in_which_they_run() -> None:
    """A query passes its middleware and is handled in a scope that cannot write."""
    pipelines = assemble(shop()._parts).services.query_pipelines
    assert [step.name for step in pipelines[Ask].steps] == ["middleware", "scope", "handler"]


def test_explain_prints_the_steps_of_the_pipeline() -> None:
    """Each line of `explain` is the text of a step."""
    app = shop()
    steps = assemble(app._parts).services.command_pipelines[Place].steps
    assert app.explain(Place).splitlines()[1:] == [f"  {number}. {step.text}" for number, step in enumerate(steps, 1)]


async def test_steps_that_claim_run_only_for_a_claim() -> None:
    """`handle` skips the steps that belong to `claimed`."""
    ran: list[str] = []

    def noting(name: str, *, claims: bool = False) -> Step:
        def around(last: Any) -> Any:
            async def link(message: Any) -> Any:
                ran.append(name)
                return await last(message)

            return link

        return Step(name, name, around, claims)

    async def last(message: Any) -> str:
        return "done"

    made = pipeline(Place, [noting("first"), noting("claim", claims=True), Step("handler", "handler")], last)
    assert await made.handle(Place()) == await made.claimed(Place()) == "done"
    assert ran == ["first", "first", "claim"]


@pytest.mark.parametrize(("bus", "message_type"), [(CommandBus, Place), (QueryBus, Ask), (EventBus, Placed)])
async def test_the_buses_of_an_application_register_no_handlers(bus: type[Any], message_type: type[Any]) -> None:
    """An application is assembled before its buses exist, so that a handler that comes later is refused."""
    app = shop()

    class Register(Command[None]):
        pass

    async def register(command: Register, given: Any) -> None:
        given.handler(message_type)

    register.__annotations__ = {"command": Register, "given": bus, "return": None}
    app.command_handler(Register)(register)
    async with app:
        with pytest.raises(ConfigurationError, match=f"cannot register a handler of .* {message_type.__name__}"):
            await app.dispatch(Register())
