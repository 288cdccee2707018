"""The history of aggregates and events: states and events as of a version, a position or a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar, overload

from .._background.calls import Calls, recorded
from .._background.shown import shown
from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.criteria import Criteria
from .._definitions.envelope import Envelope
from .._definitions.folding import fold
from .._definitions.message import Event
from .._definitions.names import LONGEST_STREAM, wrong_text
from .._definitions.position import Position
from .._definitions.subclasses import stored_types
from .._encoding.metadata import event_envelope
from ..errors import ConfigurationError, InvalidFind
from ..ports.event_log import StoredEvent
from .repository import InUnitOfWork
from .selection import Found, check_selectable, criterion_of, matching
from .tracked import AggregateRemoved
from .unit_of_work import UnitOfWork

A = TypeVar("A", bound=Aggregate)
E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
M = TypeVar("M")
T = TypeVar("T")

AsOf: TypeAlias = datetime | int | None
"""A time with a time zone, a position of the event log, or None for all events."""

_LAST: Final = 2**63 - 1


class History:
    """Past states and events, read from the event log. A handler takes it as a parameter: `history: History`.

        @orders.query_handler(GetOrderAsOf)
        async def get_order_as_of(query: GetOrderAsOf, history: History) -> OrderView | None:
            order = await history.aggregate(Order, query.order_id, as_of=query.time)
            return None if order is None else OrderView.of(order)

    A query reads one state of the write store, which contains every commit before the query. The parameter `as_of` limits
    each method:

    * A position includes the event at the position. The result is the same at each later time, if the position comes from
      a projection, an event handler, or `app.operations.events`.
    * A time includes the events up to the first one with a later time. `Envelope.time` is the time of the process that
      recorded the event. If clocks differ, an event with an earlier time can follow, and is not included. So the result
      is always a state that the event log has had.

    The cost grows with the number of events that are read; snapshots are not used. Store frequent answers in a read model.
    A command must not decide by a history: another command can append events before the commit. It loads the aggregate
    from a `Repository`, or uses a `Boundary`.
    """

    __slots__ = ("_calls", "_scope")

    _scope: InUnitOfWork
    _calls: Calls

    @recorded
    async def aggregate(
        self, aggregate_type: type[A], id: object, *, version: int | None = None, as_of: AsOf = None
    ) -> A | None:
        """Return an aggregate in a past state; None if it did not exist then, or was removed.

        The returned object is a copy: its changes are not saved. The events of a state-stored aggregate contain its past
        states only if it records an event for each change.

        Args:
            aggregate_type: the class. Its methods that are marked with `on` apply the events.
            id: its id.
            version: the number of events that are applied; None for all.
            as_of: the last position or time; None for the current state.

        Raises:
            ConfigurationError: the class has no method for one of the events.
            InvalidFind: `version` is negative, or `as_of` has no time zone.
            UndecodableEvent: an event has no class in this process, or invalid data.
        """
        aggregate: A | None = None
        for envelope in await self._guard(_stream(self._unit(), aggregate_type, id, version, as_of)):
            event = envelope.message
            if isinstance(event, AggregateRemoved):
                return None
            if not aggregate_type._applies(event):
                raise ConfigurationError(
                    f"cannot replay {envelope.stream} up to version {envelope.version}: {aggregate_type.__qualname__} has "
                    f"no method for {type(event).__name__}. Mark a method with @on({type(event).__name__}); it may be empty."
                )
            aggregate = aggregate_type.replay() if aggregate is None else aggregate
            aggregate._apply(event)
        return aggregate

    @recorded
    async def stream(
        self, aggregate_type: type[Aggregate], id: object, *, version: int | None = None, as_of: AsOf = None
    ) -> Sequence[Envelope[Event]]:
        """Return the events of an aggregate with their metadata, in order; empty if there are none.

        Args:
            aggregate_type: the class.
            id: its id.
            version: the maximum number of events; None for all.
            as_of: the last position or time; None for all events.

        Raises:
            InvalidFind: `version` is negative, or `as_of` has no time zone.
            UndecodableEvent: an event has no class in this process, or invalid data.
        """
        return await self._guard(_stream(self._unit(), aggregate_type, id, version, as_of))

    @overload
    async def envelopes(self, c1: Criteria[E1], /, *, as_of: AsOf = ...) -> Sequence[Envelope[E1]]: ...
    @overload
    async def envelopes(
        self, c1: Criteria[E1], c2: Criteria[E2], /, *, as_of: AsOf = ...
    ) -> Sequence[Envelope[E1 | E2]]: ...
    @overload
    async def envelopes(
        self, c1: Criteria[E1], c2: Criteria[E2], c3: Criteria[E3], /, *, as_of: AsOf = ...
    ) -> Sequence[Envelope[E1 | E2 | E3]]: ...
    @overload
    async def envelopes(self, *criteria: Criteria[E1], as_of: AsOf = ...) -> Sequence[Envelope[E1]]: ...
    @recorded
    async def envelopes(self, *criteria: Criteria[Event], as_of: AsOf = None) -> Sequence[Envelope[Event]]:
        """Return the events that one of some criteria selects, with their metadata, in the order of the event log.

        Args:
            criteria: the results of `select`.
            as_of: the last position or time; None for all events.

        Raises:
            ConfigurationError: no criteria were passed.
            InvalidFind: `as_of` has no time zone, or is not a position.
            TagsIncomplete: events were stored before their class declared a tag.
            UndecodableEvent: an event has no class in this process, or invalid data.
        """
        unit = self._unit()

        async def read() -> list[Envelope[Event]]:
            async with aclosing(_selected(unit, criteria, as_of)) as found:
                return [event_envelope(stored, event) async for stored, event in found]

        return await self._guard(read())

    @recorded
    async def fold(self, model: M, *criteria: Criteria[Event], as_of: AsOf = None) -> M:
        """Apply the events that one of some criteria selects to a decision model, in the order of the event log.

        The events are read in batches, so that the memory does not grow with their number.

        Args:
            model: an object of a class whose methods are marked with `on`, as for `fold`. An event without a method changes
                nothing.
            criteria: the results of `select`.
            as_of: the last position or time; None for all events.

        Returns:
            The model.

        Raises:
            ConfigurationError: no criteria were passed.
            InvalidDefinition: no method of the model is marked with `on`.
            InvalidFind: `as_of` has no time zone, or is not a position.
            TagsIncomplete: events were stored before their class declared a tag.
            UndecodableEvent: an event has no class in this process, or invalid data.
        """
        unit = self._unit()
        fold(model, ())

        async def read() -> M:
            async with aclosing(_selected(unit, criteria, as_of)) as found:
                async for _, event in found:
                    fold(model, (event,))
            return model

        return await self._guard(read())

    def _unit(self) -> UnitOfWork:
        return self._scope.unit_of_work()

    async def _guard(self, step: Awaitable[T]) -> T:
        return await self._unit()._guard(step)


def open_history(scope: InUnitOfWork) -> History:
    """Return a history for a handler. Its transaction does not begin before the first use."""
    history = History()
    history._scope = scope
    history._calls = scope.calls
    return history


async def _stream(
    unit: UnitOfWork, aggregate_type: type[Aggregate], id: object, version: int | None, as_of: AsOf
) -> list[Envelope[Event]]:
    limit = _Limit(as_of, version)
    stream = stream_of(aggregate_type, id)
    if wrong_text(stream, LONGEST_STREAM):
        return []  # no store can have the stream
    events, found = unit.side.event_types, list[Envelope[Event]]()
    events.learn(named for event_type in aggregate_type._appliers for named in stored_types(event_type))
    transaction = await unit.transaction()
    async with aclosing(transaction.log.read(stream)) as stored_events:
        async for stored in stored_events:
            if limit.excludes(stored):
                break
            found.append(event_envelope(stored, events.decode_stored(stored)))
    return found


async def _selected(unit: UnitOfWork, criteria: Sequence[Criteria[Any]], as_of: AsOf) -> AsyncGenerator[Found]:
    limit = _Limit(as_of)
    if not criteria:
        raise ConfigurationError(
            "cannot read a history without criteria. Pass select(SomeEvent), or select(SomeEvent, some_id=...)."
        )
    transaction = await unit.transaction()
    await check_selectable(unit.side, transaction, criteria)
    async with aclosing(matching(transaction, tuple(map(criterion_of, criteria)), limit.position)) as stored_events:
        async for stored in stored_events:
            if limit.excludes(stored):
                break
            yield stored, unit.side.event_types.decode_stored(stored)


class _Limit:
    """The last event of a history."""

    def __init__(self, as_of: AsOf, version: int | None = None) -> None:
        self.position: Position | None = None
        self._time: datetime | None = None
        self._version = None if version is None else _number("version", version)
        if isinstance(as_of, datetime):
            if as_of.utcoffset() is None:
                raise InvalidFind(f"cannot read the history as of {as_of.isoformat()}: pass a time with a time zone.")
            self._time = as_of
        elif as_of is not None:
            self.position = Position(_number("as_of", as_of))

    def excludes(self, stored: StoredEvent) -> bool:
        """Return whether the history ends before an event."""
        return (
            (self._version is not None and stored.version > self._version)
            or (self.position is not None and stored.position > self.position)
            or (self._time is not None and stored.time > self._time)
        )


def _number(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LAST:
        raise InvalidFind(
            f"cannot read the history with {name}={shown(value)}: pass an integer from 0 to {_LAST}"
            + (", or a time with a time zone." if name == "as_of" else ".")
        )
    return value
