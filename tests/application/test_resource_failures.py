"""A resource that cannot be closed after the commit is reported, and the command is not repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from dependency_injector import containers, providers

from twofold import Application, Command, CommandBus, Event, EventBus, UnitOfWork
from twofold.errors import AfterCommitFailed, TransientFailure, UnitOfWorkDoomed
from twofold.middleware import retry_conflicts
from twofold.ports import WriteStore

pytestmark = pytest.mark.anyio


class Printed(Event, name="resource_failures.printed"):
    text: str


class Print(Command[str]):
    text: str


class PrintNested(Command[None]):
    text: str


class Printer:
    pass


async def printer() -> AsyncIterator[Printer]:
    """Give a printer that cannot be closed."""
    yield Printer()
    raise TransientFailure("the printer is on fire")


class Devices(containers.DeclarativeContainer):
    printer = providers.Factory(printer)


def application(store: WriteStore, ran: list[str]) -> Application:
    """Return an application whose handlers use a printer."""
    app = Application("resource_failures", write=store, container=Devices())
    app.use(retry_conflicts(delay=0), on=Command)

    @app.command_handler(Print)
    async def put(command: Print, events: EventBus, unit: UnitOfWork, device: Printer) -> str:
        async def note() -> None:
            ran.append("after the commit")

        ran.append(command.text)
        unit.after_commit(note)
        await events.publish(Printed(text=command.text))
        return command.text

    @app.command_handler(PrintNested)
    async def put_nested(command: PrintNested, commands: CommandBus) -> None:
        with pytest.raises(TransientFailure):
            await commands.dispatch(Print(text=command.text))

    return app


async def printed(store: WriteStore) -> int:
    """Return the number of events in the log."""
    return len((await store.log.read_all()).events)


async def test_a_resource_that_cannot_be_closed_does_not_repeat_the_command(store: WriteStore) -> None:
    """The command is committed once, its callbacks run, and the error contains its result."""
    ran: list[str] = []
    app = application(store, ran)
    await app.create_schema()
    async with app:
        with pytest.raises(AfterCommitFailed) as caught:
            await app.dispatch(Print(text="a"))
    assert caught.value.result == "a"
    assert ran == ["a", "after the commit"]
    assert await printed(store) == 1


async def test_a_resource_of_a_nested_command_that_cannot_be_closed_fails_the_command(store: WriteStore) -> None:
    """The error comes before the commit, so a handler that swallows the error commits nothing."""
    ran: list[str] = []
    app = application(store, ran)
    await app.create_schema()
    async with app:
        with pytest.raises(UnitOfWorkDoomed):
            await app.dispatch(PrintNested(text="a"))
    assert ran == ["a"]
    assert await printed(store) == 0


async def test_a_resource_of_an_event_handler_that_cannot_be_closed_does_not_repeat_the_handler(
    store: WriteStore,
) -> None:
    """The event is handled once, and its callbacks run."""
    ran: list[str] = []
    app = application(store, [])

    @app.event_handler(Printed, name="pin up")
    async def pin_up(event: Printed, unit: UnitOfWork, device: Printer) -> None:
        async def note() -> None:
            ran.append("after the commit")

        ran.append(event.text)
        unit.after_commit(note)

    await app.create_schema()
    async with app:
        with pytest.raises(AfterCommitFailed):
            await app.dispatch(Print(text="a"))
        await app.settle()
    assert ran == ["a", "after the commit"]
