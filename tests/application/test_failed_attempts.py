"""Failed attempts and what operators discard are logged, without the content of events."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from twofold import Application, Command, Event, ReadModel, Retry, UnitOfWork, View, on
from twofold.ports import Expected, NewEvent, WriteStore
from twofold.testing.conformance._tools.in_time import in_time
from twofold.testing.conformance._tools.opened import writing
from twofold_memory import InMemory

SECRET = "987654321"


class Sent(Event, name="attempts.sent"):
    """An event whose content must not be logged."""

    number: str


class Send(Command[None]):
    """Records one event for each stream."""

    streams: tuple[str, ...]


class Row(View, name="attempts_row", key="id"):
    """A row of the projection."""

    id: str


class Skippable(Exception):
    """The event is skipped."""


def sending(store: WriteStore, retry: Retry, errors: dict[str, Exception]) -> Application:
    """Return an application with a projection and an event handler that fail for some streams."""
    app = Application("sending", write=store)

    def fail(event: Sent) -> None:
        if errors:
            raise next(iter(errors.values()))

    @app.command_handler(Send)
    async def send(command: Send, unit: UnitOfWork) -> None:
        for stream in command.streams:
            unit.record(Sent(number=SECRET), stream=stream)

    @app.projection("rows", retry=retry)
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None: ...

        @on(Sent)
        async def sent(self, event: Sent) -> None:
            fail(event)

    @app.event_handler(Sent, name="mail", retry=retry)
    async def mail(event: Sent) -> None:
        fail(event)

    return app


async def send_and_settle(app: Application, *streams: str) -> None:
    """Record events and wait until each is handled, parked or skipped."""
    with in_time():
        await app.dispatch(Send(streams=streams))
        await app.settle()


def logged(caplog: pytest.LogCaptureFixture, subscription: str) -> list[logging.LogRecord]:
    """Return the records about a subscription."""
    return [
        record for record in caplog.records if record.getMessage().startswith(f"subscription {subscription}: attempts.")
    ]


@pytest.mark.parametrize("subscription", ["rows", "mail"])
async def test_each_failed_attempt_is_logged_once(subscription: str, caplog: pytest.LogCaptureFixture) -> None:
    """Attempts that are retried are warnings, and the last one is an error. Each has the traceback of the handler."""
    app = sending(InMemory(), Retry(attempts=3, delay=0.25, longest=0.25), {"any": LookupError("nobody")})
    async with app:
        await send_and_settle(app, "a")
        (parked,) = await app.operations.parked(subscription)
    records = logged(caplog, subscription)
    assert [record.levelno for record in records] == [logging.WARNING, logging.WARNING, logging.ERROR]
    about = f"subscription {subscription}: attempts.sent {parked.event.id} of key 'a' failed at attempt"
    assert [record.getMessage() for record in records] == [
        f"{about} 1 and is retried in 0.25 s",
        f"{about} 2 and is retried in 0.25 s",
        f"{about} 3 and is parked, until an operator retries or discards it",
    ]
    assert all(record.exc_info and isinstance(record.exc_info[1], LookupError) for record in records)
    assert "in fail" in caplog.text
    assert SECRET not in caplog.text


async def test_a_skipped_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A skipped event is a warning with its traceback."""
    app = sending(InMemory(), Retry(skip_on=Skippable), {"any": Skippable("nobody")})
    async with app:
        await send_and_settle(app, "a", "b")
        assert [each.skipped for each in await app.operations.status()] == [2, 2]
    for subscription in ("rows", "mail"):
        records = logged(caplog, subscription)
        assert [record.levelno for record in records] == [logging.WARNING] * 2
        assert all("failed at attempt 1 and is skipped (skip_on)" in record.getMessage() for record in records)
        assert all(record.exc_info for record in records)


async def test_an_undecodable_event_is_logged_without_its_content(caplog: pytest.LogCaptureFixture) -> None:
    """The log names an event that cannot be decoded, and where its reason is. The reason may quote the event."""
    store, errors = InMemory(), dict[str, Exception]()
    app = sending(store, Retry(), errors)
    async with app:
        new = NewEvent(app._parts.ids.new(), "attempts.sent", 1, f'{{"number": ["{SECRET}"]}}', "{}", app.clock.now())
        async with writing(store) as transaction:
            await transaction.log.append("a", [new], expected=Expected.ANY)
        await send_and_settle(app, "b")
        await app.operations.retry("rows", "a")
        records = logged(caplog, "rows")
    text = (
        f"subscription rows: attempts.sent {new.id} of key 'a' cannot be decoded and is parked. "
        "app.operations.parked('rows') has the reason."
    )
    assert [(record.levelno, record.getMessage()) for record in records] == [(logging.ERROR, text)] * 2
    assert SECRET not in caplog.text


async def test_discarded_events_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each discarded event is a warning with its subscription, type, id and key."""
    app = sending(InMemory(), Retry(attempts=1), {"any": LookupError("nobody")})
    async with app:
        await send_and_settle(app, "a", "a")
        first, second = await app.operations.parked("mail")
        await app.operations.discard("mail", "a", event_id=second.event.id)
        await app.operations.discard("mail", "a")
    records = [record for record in caplog.records if record.name == "twofold.operations"]
    about = "subscription mail: an operator discarded attempts.sent"
    assert [(record.levelno, record.getMessage()) for record in records] == [
        (logging.WARNING, f"{about} {second.event.id} of key 'a', which failed 0 time(s)"),
        (logging.WARNING, f"{about} {first.event.id} of key 'a', which failed 1 time(s)"),
    ]
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ExceptionGroup("two", [ValueError(), KeyError()])])
async def test_the_class_of_the_error_itself_counts(error: Any) -> None:
    """The class of a group or of an exception that is not an `Exception` counts, and not the classes inside."""
    app = sending(InMemory(), Retry(attempts=1, skip_on=(ValueError, KeyError)), {"any": error})
    async with app:
        await send_and_settle(app, "a")
        assert [(each.parked, each.skipped) for each in await app.operations.status()] == [(1, 0), (1, 0)]
