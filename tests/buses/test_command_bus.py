"""The command bus, used alone."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import pytest

from tests.domains.orders import Boom, Cancel, Place
from twofold import CommandBus
from twofold.errors import ConfigurationError, InvalidDefinition, NoHandler


class Special(Place):
    pass


async def test_the_result_of_the_handler_is_returned() -> None:
    """`dispatch` returns what the handler returned."""
    bus = CommandBus()

    @bus.handler(Place)
    async def place(command: Place) -> str:
        return f"placed {command.number}"

    assert await bus.dispatch(Place(number=7)) == "placed 7"


async def test_the_decorator_returns_the_handler_unchanged() -> None:
    """A registered handler can still be called directly."""
    bus = CommandBus()

    async def place(command: Place) -> str:
        return "placed"

    assert bus.handler(Place)(place) is place


async def test_a_missing_handler_lists_the_registered_messages() -> None:
    """`NoHandler` names the message and the registered messages, sorted by name, and how to register a handler."""
    bus = CommandBus()

    @bus.handler(Place)
    async def place(command: Place) -> str:
        return "placed"

    @bus.handler(Special)
    async def special(command: Special) -> str:
        return "special"

    with pytest.raises(NoHandler) as caught:
        await bus.dispatch(Cancel())
    first, second = str(caught.value).splitlines()
    assert first == "no handler for command Cancel. Registered commands: Place, Special."
    assert second == (
        "Register one with @app.command_handler(Cancel) and import its module before the application starts."
    )
    assert isinstance(caught.value, LookupError)
    assert caught.value.__suppress_context__


async def test_the_error_of_an_empty_bus() -> None:
    """Without a handler, the error lists "none" as the registered commands."""
    with pytest.raises(NoHandler, match=r"Registered commands: none\."):
        await CommandBus().dispatch(Cancel())


async def test_a_subclass_has_a_handler_of_its_own() -> None:
    """A handler takes exactly its class: a subclass of the command is not handled by it."""
    bus = CommandBus()

    @bus.handler(Place)
    async def place(command: Place) -> str:
        return "placed"

    with pytest.raises(NoHandler, match="no handler for command Special"):
        await bus.dispatch(Special())


async def test_a_second_handler_is_refused_and_the_first_stays() -> None:
    """A command has one handler. Registering another one raises immediately."""
    bus = CommandBus()

    @bus.handler(Place)
    async def place(command: Place) -> str:
        return "first"

    async def again(command: Place) -> str:
        return "second"

    with pytest.raises(ConfigurationError, match="second handler of command Place"):
        bus.handler(Place)(again)
    assert await bus.dispatch(Place()) == "first"


async def test_a_sync_handler_runs_in_a_worker_thread() -> None:
    """A handler that is not async does not block the event loop."""
    bus = CommandBus()
    threads: list[int] = []

    @bus.handler(Place)
    def place(command: Place) -> str:
        threads.append(threading.get_ident())
        return "placed"

    assert await bus.dispatch(Place()) == "placed"
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_the_loop_runs_while_a_sync_handler_waits() -> None:
    """Another task can run, and let a sync handler continue."""
    bus = CommandBus()
    go = threading.Event()

    @bus.handler(Place)
    def place(command: Place) -> str:
        return "in time" if go.wait(10) else "too late"

    answers: list[str] = []

    async def dispatch() -> None:
        answers.append(await bus.dispatch(Place()))

    async with anyio.create_task_group() as group:
        group.start_soon(dispatch)
        await anyio.lowlevel.checkpoint()
        go.set()
    assert answers == ["in time"]


async def test_a_class_is_made_and_called() -> None:
    """A class with `__call__` is a handler; a bus used alone makes it without arguments."""
    bus = CommandBus()

    @bus.handler(Place)
    class PlaceHandler:
        async def __call__(self, command: Place) -> str:
            return f"placed {command.number}"

    assert await bus.dispatch(Place(number=2)) == "placed 2"
    assert inspect_is_class(PlaceHandler)


async def test_an_object_is_called() -> None:
    """A ready object with an async `__call__` is a handler too."""
    bus = CommandBus()

    class PlaceHandler:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        async def __call__(self, command: Place) -> str:
            return f"{self.prefix} {command.number}"

    bus.handler(Place)(PlaceHandler("number"))
    assert await bus.dispatch(Place(number=3)) == "number 3"


async def test_a_class_that_needs_arguments_is_refused() -> None:
    """A bus without an application injects nothing, and reports a handler with further parameters."""
    bus = CommandBus()

    class PlaceHandler:
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix

        async def __call__(self, command: Place) -> str:
            return self.prefix

    with pytest.raises(InvalidDefinition, match="injects nothing"):
        bus.handler(Place)(PlaceHandler)


async def test_a_handler_with_further_parameters_is_refused() -> None:
    """A function that takes more than its message cannot be registered on a bus used alone."""
    bus = CommandBus()

    async def place(command: Place, more: int) -> str:
        return "placed"

    with pytest.raises(InvalidDefinition, match="exactly its message"):
        bus.handler(Place)(place)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_an_error_of_the_handler_comes_through_as_it_is(sync: bool) -> None:
    """The caller gets the very error that the handler raised, not a wrapper."""
    bus = CommandBus()
    error = Boom("no")

    async def place(command: Place) -> str:
        raise error

    def place_sync(command: Place) -> str:
        raise error

    if sync:
        bus.handler(Place)(place_sync)
    else:
        bus.handler(Place)(place)
    with pytest.raises(Boom) as caught:
        await bus.dispatch(Place())
    assert caught.value is error


def inspect_is_class(thing: object) -> bool:
    """Return whether the decorator left a class a class."""
    return isinstance(thing, type)
