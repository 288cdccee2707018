"""Dynamic consistency boundaries: decide from the events that match, and append under the condition that none was added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import TypeVar, overload

from .._background.calls import Calls, recorded
from .._definitions.criteria import Criteria
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._definitions.position import START
from .._definitions.tags import tags_of
from .._encoding.metadata import event_envelope
from ..errors import ConfigurationError
from ..ports.tags import AppendCondition
from .repository import InUnitOfWork
from .selection import Found, check_selectable, criterion_of, matching
from .unit_of_work import UnitOfWork

A = TypeVar("A", bound=Event)
B = TypeVar("B", bound=Event)
C = TypeVar("C", bound=Event)
D = TypeVar("D", bound=Event)


class Boundary:
    """A dynamic consistency boundary inside one unit of work. A handler takes one as a parameter: `boundary: Boundary`.

        @courses.command_handler(TakeSeat)
        async def take_seat(command: TakeSeat, boundary: Boundary) -> None:
            events = await boundary.read(select(SeatTaken, SeatReleased, course_id=command.course_id))
            if fold(Seats(), events).taken >= 30:
                raise CourseFull(command.course_id)
            boundary.append(SeatTaken(course_id=command.course_id, student_id=command.student_id))

    The commit appends under the condition that no other transaction has appended a matching event since `read`, in
    whatever way: by a boundary, an aggregate, an event bus, or a consumer. Otherwise it raises `ConcurrencyConflict`, and
    the middleware `retry_conflicts` repeats the whole handler. All boundaries of a unit of work are checked together, also
    those that were read in a savepoint that was undone, because the handler may have decided by them. A unit of work that
    writes nothing is not checked: a boundary that was only read is right for the moment at which it was read.
    """

    __slots__ = ("_calls", "_scope")

    _scope: InUnitOfWork
    _calls: Calls

    @overload
    async def read(self, c1: Criteria[A], /) -> Sequence[A]: ...
    @overload
    async def read(self, c1: Criteria[A], c2: Criteria[B], /) -> Sequence[A | B]: ...
    @overload
    async def read(self, c1: Criteria[A], c2: Criteria[B], c3: Criteria[C], /) -> Sequence[A | B | C]: ...
    @overload
    async def read(
        self, c1: Criteria[A], c2: Criteria[B], c3: Criteria[C], c4: Criteria[D], /
    ) -> Sequence[A | B | C | D]: ...
    @overload
    async def read(self, *criteria: Criteria[A]) -> Sequence[A]: ...
    @recorded
    async def read(self, *criteria: Criteria[Event]) -> Sequence[Event]:
        """Return the events that one of some criteria selects, in the order of the log, each once.

        Events that this unit of work has recorded and not yet written come last, whether a boundary, an aggregate or an
        event bus recorded them. So a nested command sees what the command around it decided.

        Args:
            criteria: what `select` returns.

        Raises:
            ConfigurationError: no criteria were passed.
            TagsIncomplete: events were stored before their class declared a tag.
            UndecodableEvent: a matching event has no class in this process, or invalid data.
        """
        unit = self._scope.unit_of_work()
        found = await unit._guard(_read(unit, criteria))
        return [*(event for _, event in found), *_pending(unit, criteria)]

    @overload
    async def envelopes(self, c1: Criteria[A], /) -> Sequence[Envelope[A]]: ...
    @overload
    async def envelopes(self, c1: Criteria[A], c2: Criteria[B], /) -> Sequence[Envelope[A | B]]: ...
    @overload
    async def envelopes(self, *criteria: Criteria[A]) -> Sequence[Envelope[A]]: ...
    @recorded
    async def envelopes(self, *criteria: Criteria[Event]) -> Sequence[Envelope[Event]]:
        """Return the envelopes of the stored events that one of some criteria selects, in the order of the log.

        It reads the boundary as `read` does, with the same condition and errors. Events that this unit of work has not yet
        written have no envelope, and are left out.
        """
        unit = self._scope.unit_of_work()
        return [event_envelope(stored, event) for stored, event in await unit._guard(_read(unit, criteria))]

    def append(self, *events: Event, stream: str | None = None) -> None:
        """Append events at the commit, under the conditions of all boundaries that this unit of work has read.

        Args:
            events: the events.
            stream: the stream to append to; by default the stream of the message that is handled, as
                `UnitOfWork.record` does.

        Raises:
            ConfigurationError: an event has no stable name.
            NotStorable: a store cannot store the name of the stream.
        """
        unit = self._scope.unit_of_work()
        for event in events:
            unit.record(event, stream=stream)


def open_boundary(scope: InUnitOfWork) -> Boundary:
    """Return a boundary for a handler. Its unit of work does not begin before the first use."""
    boundary = Boundary()
    boundary._scope = scope
    boundary._calls = scope.calls
    return boundary


async def _read(unit: UnitOfWork, criteria: Sequence[Criteria[Event]]) -> list[Found]:
    if not criteria:
        raise ConfigurationError(
            "cannot read a boundary without criteria. Write boundary.read(select(SomeEvent, some_id=...))."
        )
    transaction = await unit.transaction()
    await check_selectable(unit.side, transaction, criteria)
    criterions = tuple(map(criterion_of, criteria))
    # Without tags, the check would count the events of the whole log, so it leaves out those that are certain.
    since = START if all(each.tags for each in criterions) else await transaction.log.settled()
    async with aclosing(matching(transaction, criterions)) as stored_events:
        found = [(stored, unit.side.event_types.decode_stored(stored)) async for stored in stored_events]
    last = found[-1][0].position if found else START
    count = sum(stored.position > since for stored, _ in found)
    unit.changes.conditions.append(AppendCondition(criterions, max(last, since), count, since))
    return found


def _pending(unit: UnitOfWork, criteria: Sequence[Criteria[Event]]) -> Iterable[Event]:
    """Return the matching events that the unit of work has not yet written, in the order in which it will append them."""
    changes = unit.changes
    pending = [event for tracked in changes.tracked.values() for event in tracked.aggregate.recorded]
    for event in (*pending, *(event for _, event in changes.recorded)):
        if any(_selects(each, event) for each in criteria):
            yield event


def _selects(criteria: Criteria[Event], event: Event) -> bool:
    if criteria.event_types and not isinstance(event, criteria.event_types):
        return False
    return not criteria.tags or {*criteria.tags} <= {*tags_of(vars(event), event.message_tags)}
