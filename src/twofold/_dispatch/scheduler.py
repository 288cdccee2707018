"""Commands that are dispatched later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from .._buses.no_handler import no_handler
from .._definitions.message import Command, snake_case
from .._encoding.message_json import round_trip_of, without_json
from .._encoding.metadata import encode_metadata
from ..errors import NotSchedulable, UndecodableCommand
from ..ports.schedule import ScheduledCommand
from .once import check_key

if TYPE_CHECKING:
    from .._encoding.wire_types import WireTypes
    from .scope import Scope

T = TypeVar("T")


class Scheduler:
    """Has commands dispatched later. A handler gets one as a parameter.

        @app.command_handler(PlaceOrder)
        async def place_order(command: PlaceOrder, orders: Repository[Order], scheduler: Scheduler, clock: Clock) -> str:
            ...
            remind = clock.now() + timedelta(days=3)
            await scheduler.schedule(RemindOfPayment(order_id=order.id), at=remind, id=f"remind {order.id}")

    What is scheduled and cancelled belongs to the handler's unit of work: it is committed with it, or was never there.

    A command is dispatched when it is due, or as soon afterwards as a process is there that works, in a session of its own
    with the tenant, trace and headers of the message that scheduled it. That it is done is committed with what it
    changes, so it takes effect once, whoever dies in the middle. What is due is dispatched in the order of its time by one
    process; several share it. A command whose handler fails is retried with backoff. When its attempts are used up, it is
    kept with the reason; see `app.operations.stuck`. Store failures are transient and do not count as attempts.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def schedule(self, command: Command[Any], *, at: datetime, id: str | None = None) -> str:
        """Have a command dispatched at a time. Its result is dropped.

        Args:
            command: the command. Its class has a stable name, and its fields come back from JSON as they were.
            at: when, with a time zone. A time that has passed means at once.
            id: by which it can be cancelled, at most 200 characters; made up when None. What was scheduled under the
                same id before and was not dispatched yet is replaced. Each tenant has ids of its own.

        Returns:
            The id.

        Raises:
            NotSchedulable: the command cannot be kept, or `at` has no time zone.
            NoHandler: nothing in this application handles the command.
            InvalidKey: the id is empty or too long.
        """
        services = self._scope.services
        if type(command) not in services.commands._routes:
            raise no_handler("command", command, services.commands._routes)
        now_id = services.write.ids.new()
        due = _in_utc(command, at)
        entry = ScheduledCommand(
            tenant=self._tenant(),
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

    async def cancel(self, id: str) -> bool:
        """Cancel what was scheduled under an id.

        Returns:
            Whether it will not be dispatched any more because of this. False: it has taken effect, was cancelled, or
            never was.
        """
        unit = self._scope.unit_of_work()
        transaction = await unit.transaction()
        return await unit._guard(transaction.schedule.cancel(self._tenant(), id))

    def _tenant(self) -> str:
        tenant = self._scope.envelope.tenant
        return check_key("a tenant", tenant) if tenant else ""

    async def _wake(self) -> None:
        self._scope.services.scheduled.send()


async def in_own_unit(scope: Scope, work: Callable[[Scheduler], Awaitable[T]]) -> T:
    """Schedule or cancel outside of any handler, in a unit of work of its own."""
    unit = scope.unit_of_work()
    try:
        result = await work(Scheduler(scope))
        await unit.commit()
    except BaseException:
        await unit.rollback()
        raise
    await unit.run_after_commit()
    return result


def _name(command: Command[Any]) -> str:
    if command.message_name is None:
        kind = type(command).__name__
        raise NotSchedulable(
            f"cannot schedule {kind}: it has no stable name, so it cannot be kept. "
            f"Give it one: class {kind}(Command[None], name='orders.{snake_case(kind)}')."
        )
    return command.message_name


def _in_utc(command: Command[Any], at: datetime) -> datetime:
    if not isinstance(at, datetime):
        raise NotSchedulable(
            f"cannot schedule {type(command).__name__} at {at!r:.100}: that is no time. Give a datetime with a time zone; "
            "add a timedelta to Clock.now()."
        )
    if at.tzinfo is None:
        raise NotSchedulable(
            f"cannot schedule {type(command).__name__} at {at.isoformat()}: the time has no time zone. "
            "Reckon with Clock.now(), which is in UTC, or give the time its zone."
        )
    return at.astimezone(UTC)


def _encoded(command: Command[Any], types: WireTypes[Command[Any]]) -> str:
    """Return the fields as JSON that gives the same command again."""
    kind = type(command).__name__
    try:
        text = round_trip_of(type(command)).encode(command, warnings=True)
        again = types.decode(_name(command), command.message_version, text)
    except UndecodableCommand as error:
        raise NotSchedulable(f"cannot schedule {kind}: it could not be read again ({error}).") from error
    except Exception as error:
        raise NotSchedulable(
            f"cannot schedule {kind}: {without_json(command)} no JSON ({error}). Use plain types."
        ) from error
    if again != command:
        raise NotSchedulable(
            f"cannot schedule {kind}: as JSON it would come back as {again!r:.200}. Let its fields be plain data: no "
            "secrets, no fields that JSON leaves out."
        )
    return text
