"""Scheduled commands that record their effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio.lowlevel

from twofold import Application, Clock, Command, Envelope, Event, Retry, Router, Scheduler, UnitOfWork
from twofold.ports import StoredEvent, WriteStore

TWICE = Retry(attempts=2, delay=10.0)
"""Retried once, after ten seconds."""


class Remind(Command[None], name="test.remind"):
    note: str


class Reminded(Event, name="test.reminded"):
    note: str


class Promise(Command[str]):
    """Schedules a reminder, and may fail afterwards."""

    note: str
    at: datetime
    fail: bool = False


class Relent(Command[bool]):
    """Cancels a reminder, and may fail afterwards."""

    id: str
    fail: bool = False


class Broken(Exception):
    """The error that a test raises in a handler."""


async def nothing(command: Remind) -> None:
    """Do nothing."""
    await anyio.lowlevel.checkpoint()


def reminding(
    during: Callable[[Remind], Awaitable[None]] = nothing, envelopes: list[Envelope[Remind]] | None = None
) -> Router:
    """Return a router that handles the commands above.

    Args:
        during: awaited for each reminder, before its event is committed.
        envelopes: collects the envelope of each reminder.
    """
    router = Router("reminding")

    @router.command_handler(Remind)
    async def remind(command: Remind, unit: UnitOfWork, envelope: Envelope[Remind]) -> None:
        unit.record(Reminded(note=command.note), stream=f"note-{command.note}")
        if envelopes is not None:
            envelopes.append(envelope)
        await during(command)

    @router.command_handler(Promise)
    async def promise(command: Promise, scheduler: Scheduler) -> str:
        scheduled = await scheduler.schedule(Remind(note=command.note), at=command.at, id=command.note)
        if command.fail:
            raise Broken
        return scheduled

    @router.command_handler(Relent)
    async def relent(command: Relent, scheduler: Scheduler) -> bool:
        cancelled = await scheduler.cancel(command.id)
        if command.fail:
            raise Broken
        return cancelled

    return router


def reminders(
    store: WriteStore, router: Router | None = None, *, clock: Clock, work: bool = True, retry: Retry = TWICE
) -> Application:
    """Return an application that schedules reminders, on an initialised store."""
    app = Application("reminders", write=store, clock=clock, work=work, retry_scheduled=retry)
    app.include(router or reminding())
    return app


async def reminded(store: WriteStore) -> list[str]:
    """Return the notes of the reminders that took effect, in order."""
    events: list[StoredEvent] = [*(await store.log.read_all()).events]
    return [each.stream.removeprefix("note-") for each in events]
