"""Scheduling: refused commands, and scheduling inside of handlers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest
from pydantic import SecretStr

from twofold import Application, Command, Event, Query, ReadModel, Scheduler, UnitOfWork, View, on
from twofold.errors import InvalidKey, NoHandler, NotSchedulable, UsedFromAnotherTask, WiringError
from twofold.ports import LONGEST_KEY
from twofold.testing.conformance._domain.reminders import Promise, Remind, reminded, reminders
from twofold.testing.conformance._tools.dial import Dial
from twofold_memory import InMemory

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


class Nameless(Command[None]):
    pass


class Login(Command[None], name="test.login"):
    password: SecretStr


class Unhandled(Command[None], name="test.unhandled"):
    pass


class Happened(Event, name="test.happened"):
    pass


class Row(View, name="row", key="id"):
    id: str


class Ask(Query[None]):
    pass


def application() -> Application:
    """Return an application that handles some commands that cannot be scheduled."""
    app = reminders(InMemory(), clock=Dial())

    @app.command_handler(Nameless)
    async def nameless(command: Nameless) -> None: ...

    @app.command_handler(Login)
    async def login(command: Login) -> None: ...

    return app


@pytest.mark.parametrize(
    ("command", "at", "found"),
    [
        (Nameless(), NOON, "Nameless: it has no stable name"),
        (Login(password=SecretStr("x")), NOON, "Login: the field 'password' is a secret"),
        (Remind(note="x"), NOON.replace(tzinfo=None), "Remind at 2024-05-17T12:00:00: the time has no time zone"),
    ],
    ids=["no name", "a secret", "no zone"],
)
async def test_a_command_that_cannot_be_stored_is_refused(command: Command[None], at: datetime, found: str) -> None:
    """A command without a name, one that JSON changes, and a time without a zone are refused, and nothing is written."""
    async with application() as app:
        with pytest.raises(NotSchedulable, match=found):
            await app.session().schedule(command, at=at)
        assert await app.operations.scheduled() == []


async def test_a_command_that_nothing_handles_is_refused() -> None:
    """A command without a handler is refused, because it would fail later without its caller."""
    async with application() as app:
        with pytest.raises(NoHandler, match="Unhandled"):
            await app.session().schedule(Unhandled(), at=NOON)


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1)])
async def test_an_id_that_no_store_can_keep_is_refused(key: str) -> None:
    """An empty id, and one of more than 200 characters, are refused."""
    async with application() as app:
        with pytest.raises(InvalidKey, match="scheduled command"):
            await app.session().schedule(Remind(note="x"), at=NOON, id=key)


async def test_other_time_zones_are_understood() -> None:
    """A time in any zone is the same moment in UTC."""
    async with application() as app:
        await app.session().schedule(
            Remind(note="x"), at=(NOON + timedelta(days=1)).astimezone(timezone(timedelta(hours=5)))
        )
        (entry,) = await app.operations.scheduled()
        assert (entry.due, entry.due.utcoffset()) == (NOON + timedelta(days=1), timedelta())


async def test_an_application_inside_a_handler_joins_its_unit_of_work() -> None:
    """`app.schedule` in a handler belongs to the handler's unit of work, as `app.dispatch` does."""
    app = application()

    class Outer(Command[None]):
        fail: bool

    @app.command_handler(Outer)
    async def outer(command: Outer, unit: UnitOfWork) -> None:
        await app.session().schedule(Remind(note="x"), at=NOON + timedelta(days=1))
        if command.fail:
            raise RuntimeError("on purpose")

    async with app:
        with pytest.raises(RuntimeError, match="on purpose"):
            await app.dispatch(Outer(fail=True))
        assert await app.operations.scheduled() == []
        await app.dispatch(Outer(fail=False))
        assert [each.name for each in await app.operations.scheduled()] == ["test.remind"]


async def test_a_scheduled_command_may_schedule_itself_again() -> None:
    """A command that schedules its successor under its own id continues indefinitely."""
    dial, store = Dial(), InMemory()
    app = Application("tick", write=store, clock=dial)

    class Tick(Command[None], name="test.tick"):
        number: int

    @app.command_handler(Tick)
    async def tick(command: Tick, unit: UnitOfWork, scheduler: Scheduler) -> None:
        unit.record(Happened(), stream=f"note-{command.number}")
        if command.number < 3:
            await scheduler.schedule(Tick(number=command.number + 1), at=dial.after(-1), id="tick")

    async with app:
        await app.session().schedule(Tick(number=1), at=dial.now(), id="tick")
        await app.settle()
        assert await reminded(store) == ["1", "2", "3"]
        assert await app.operations.scheduled() == []


async def test_a_session_of_another_task_is_refused() -> None:
    """Scheduling in a session belongs to the task that opened it."""
    async with application() as app:
        session = app.session()

        async def elsewhere() -> None:
            with pytest.raises(UsedFromAnotherTask):
                await session.schedule(Remind(note="x"), at=NOON)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(elsewhere)


async def test_queries_and_projections_take_no_scheduler() -> None:
    """A scheduler is refused, at the check of the wiring, in handlers that may be repeated or must not write."""
    app = application()

    @app.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row], scheduler: Scheduler) -> None: ...

        @on(Happened)
        async def happened(self, event: Happened) -> None: ...

    @app.query_handler(Ask)
    async def ask(query: Ask, scheduler: Scheduler) -> None: ...

    with pytest.raises(WiringError) as caught:
        app.check()
    assert "a query cannot take the scheduler" in str(caught.value)
    assert "a projection cannot take the write side" in str(caught.value)
    assert len(caught.value.faults) == 2


async def test_explain_names_the_scheduler() -> None:
    """The explanation of a command names the scheduler of its handler."""
    assert "scheduler: the scheduler" in application().explain(Promise)
