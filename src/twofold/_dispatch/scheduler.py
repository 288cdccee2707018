"""The scheduler: commands that are dispatched at a given time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from .._background.calls import Calls, recorded
from .._buses.no_handler import no_handler
from .._definitions.message import Command, snake_case
from .._encoding.message_json import encode_metadata, json_of
from .._encoding.wire_types import WireTypes
from ..errors import NotSchedulable
from ..ports.schedule import STORED_YEARS, ScheduledCommand
from .keys import check_key, tenant_key
from .scope import Scope

T = TypeVar("T")


class Scheduler:
    """Schedules commands. A handler takes one as a parameter.

        @app.command_handler(PlaceOrder)
        async def place_order(command: PlaceOrder, orders: Repository[Order], scheduler: Scheduler, clock: Clock) ->
            str: ... remind = clock.now() + timedelta(days=3) await
            scheduler.schedule(RemindOfPayment(order_id=order.id), at=remind, id=f"remind {order.id}")

    Schedule entries and cancellations are part of the handler's unit of work: they are committed with it, or rolled
    back.

    A command is dispatched when it is due and a worker process runs. It runs in a session of its own, with the tenant,
    trace and headers of the message that scheduled it. The removal of its entry is committed with its changes, so it
    takes effect once even if the process crashes. One process dispatches due commands in the order of their time;
    several processes share them. A failing command is retried with exponential backoff. After the last attempt its
    entry stays with the reason; see `app.operations.stuck`. Store failures do not count as attempts.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._calls: Calls = scope.calls

    @recorded
    async def schedule(self, command: Command[Any], *, at: datetime, id: str | None = None) -> str:
        """Dispatch a command at a given time. Its result is discarded.

        Args:
            command: the command. Its class must have a stable name, and JSON must preserve its fields.
            at: the time, with a time zone. A time in the past means now.
            id: the id to cancel the command by, at most 200 characters; generated when None. An entry with the same id
                that was not dispatched yet is replaced. Each tenant has ids of its own.

        Returns:
            The id.

        Raises:
            NotSchedulable: the command cannot be stored, `at` has no time zone, or its year is not between 1000 and 9998.
            NoHandler: this application has no handler for the command.
            InvalidKey: the id is empty or too long.
        """
        services = self._scope.services
        if type(command) not in services.command_pipelines:
            raise no_handler("command", command, services.command_pipelines)
        now_id = services.write.ids.new()
        due = _in_utc(command, at)
        entry = ScheduledCommand(
            tenant=tenant_key(self._scope.envelope.tenant),
            id=str(now_id) if id is None else check_key("the id of a scheduled command", id),
            entry=now_id,
            due=due,
            name=_name(command),
            schema=command.message_version,
            data=_encoded(command, services.command_types),
            metadata=encode_metadata(self._scope.envelope),
            again=due,
        )
        unit = self._scope.unit_of_work()
        transaction = await unit.transaction()
        await unit._guard(transaction.schedule.put(entry))
        unit.after_commit(self._wake)
        return entry.id

    @recorded
    async def cancel(self, id: str) -> bool:
        """Cancel a scheduled command.

        Returns:
            Whether this call cancelled the command. False if the command took effect before, was cancelled before, or was
            never scheduled.

        Raises:
            InvalidKey: the id is empty or too long, or contains characters that some stores cannot store.
        """
        key = check_key("the id of a scheduled command", id)
        unit = self._scope.unit_of_work()
        transaction = await unit.transaction()
        return await unit._guard(transaction.schedule.cancel(tenant_key(self._scope.envelope.tenant), key))

    async def _wake(self) -> None:
        self._scope.services.scheduled.send()


async def in_own_unit(scope: Scope, work: Callable[[Scheduler], Awaitable[T]]) -> T:
    """Schedule or cancel outside of handlers, in a unit of work of its own."""
    unit = scope.unit_of_work()
    try:
        result = await work(Scheduler(scope))
        await unit.commit()
    except BaseException:
        await unit.rollback()
        raise
    await unit.changes.run_after_commit()
    return result


def _name(command: Command[Any]) -> str:
    if command.message_name is None:
        kind = type(command).__name__
        raise NotSchedulable(
            f"cannot schedule {kind}: it has no stable name, so it cannot be stored. "
            f"Give it one: class {kind}(Command[None], name='orders.{snake_case(kind)}')."
        )
    return command.message_name


def _in_utc(command: Command[Any], at: datetime) -> datetime:
    if not isinstance(at, datetime):
        raise NotSchedulable(
            f"cannot schedule {type(command).__name__} at {at!r:.100}: at= must be a datetime with a time zone. Add a "
            "timedelta to Clock.now()."
        )
    if at.tzinfo is None:
        raise NotSchedulable(
            f"cannot schedule {type(command).__name__} at {at.isoformat()}: the time has no time zone. "
            "Use Clock.now(), which is in UTC, or set tzinfo."
        )
    try:
        due = at.astimezone(UTC)
    except (OverflowError, ValueError):
        due = None
    if due is None or due.year not in STORED_YEARS:
        raise NotSchedulable(
            f"cannot schedule {type(command).__name__} at {at.isoformat()}: the time must be between the years "
            f"{STORED_YEARS[0]} and {STORED_YEARS[-1]}, which every store can keep. Use Clock.now() to dispatch now, and "
            "schedule no command that is never to be dispatched."
        )
    return due


def _encoded(command: Command[Any], types: WireTypes[Command[Any]]) -> str:
    """Return the fields as JSON from which the same command is decoded when it is due."""
    text = json_of(command, "schedule", NotSchedulable)
    if types.known(_name(command)) is not type(command):
        kind = type(command).__name__
        raise NotSchedulable(
            f"cannot schedule {kind}: this application has another class, or none, with the name {_name(command)!r}. "
            f"Register the handler with {kind}."
        )
    return text
