"""Messages that are sent to the wrong bus, or after the application has stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.domains.orders import Ask, Place, Placed
from twofold import Application, CommandBus, QueryBus, UnitOfWork
from twofold.errors import ApplicationNotRunning, NoHandler


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: CommandBus().dispatch(Ask()), r"it is not a command. It is a query: use execute\(\)"),  # type: ignore[arg-type]
        (lambda: QueryBus().execute(Place()), r"it is not a query. It is a command: use dispatch\(\)"),  # type: ignore[arg-type]
        (lambda: CommandBus().dispatch(Placed()), "It is an event: let an aggregate"),  # type: ignore[arg-type]
        (lambda: CommandBus().dispatch(Place), r"Pass an object of the class: Place\("),  # type: ignore[arg-type]
    ],
)
def test_a_message_on_the_wrong_bus(call: Callable[[], object], text: str) -> None:
    """A message of another kind, or a class, is not reported as a command without a handler."""
    with pytest.raises(NoHandler, match=text):
        call()


async def test_a_session_of_an_application_that_has_stopped(app: Application) -> None:
    """A session cannot outlive the run of its application."""

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> str:
        return ""

    async with app:
        session = app.session()
        await session.dispatch(Place())
    with pytest.raises(ApplicationNotRunning, match="its application has stopped"):
        await session.dispatch(Place())
