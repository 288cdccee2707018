"""Aggregates: the objects that decide."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

from ..errors import ConfigurationError, InvalidDefinition
from .message import Event
from .on import marked_methods


class Aggregate:
    """An object that guards its rules and records what happened. The same class may be state stored or event sourced.

        class Order(Aggregate, name="order"):
            id: str
            status: Status

            @classmethod
            def place(cls, order_id: str) -> Self:
                return cls.begin(OrderPlaced(order_id=order_id))

            def pay(self) -> None:
                if self.status is not Status.PENDING: raise NotPayable(...)
                self.record(OrderPaid(order_id=self.id))

            @on(OrderPlaced)
            def _placed(self, event: OrderPlaced) -> None:
                self.id, self.status = event.order_id, Status.PENDING

            @on(OrderPaid)
            def _paid(self, event: OrderPaid) -> None:
                self.status = Status.PAID

    Methods decide and `record`; methods marked with `on` change the attributes and never refuse. They are not async. The
    first event of all, that of `begin`, has such a method, which sets the `id`. Further events may do without one while the
    aggregate is state stored: they tell others what happened and change nothing here. When it is event sourced, its events
    are its state, and one without a method is refused when the unit commits; where an event is to change nothing, a method
    that does nothing says so. The annotated attributes are the aggregate's state; `id` is one of them.

    Class arguments:
        name: the stable name of the type; streams are called `name-id`. Letters, digits and `_`.
        snapshot_every: when it is event sourced, keep a snapshot of its state after so many events; never by default.

    Raises:
        InvalidDefinition: the name is not usable, two methods take one event, one of them is async, or a default can be
            changed.
    """

    aggregate_name: ClassVar[str] = ""
    snapshot_every: ClassVar[int] = 0
    _appliers: ClassVar[dict[type[Event], str]] = {}

    id: Any

    def __init_subclass__(cls, *, name: str = "", snapshot_every: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if snapshot_every is not None:
            if snapshot_every < 1:
                raise InvalidDefinition(
                    f"cannot keep snapshots of {cls.__qualname__} every {snapshot_every} events. Use 1 or more, such as 100."
                )
            cls.snapshot_every = snapshot_every
        if name:
            if not name.isidentifier():
                raise InvalidDefinition(
                    f"cannot name the aggregate {cls.__qualname__} {name!r}. Use letters, digits and '_': "
                    f"class {cls.__name__}(Aggregate, name='order')."
                )
            cls.aggregate_name = name
        for attribute, annotation in vars(cls).get("__annotations__", {}).items():
            value = vars(cls).get(attribute)
            if isinstance(value, list | dict | set) and "ClassVar" not in str(annotation):
                raise InvalidDefinition(
                    f"cannot use {value!r} as the default of {cls.__qualname__}.{attribute}: all aggregates would share it. "
                    f"Set self.{attribute} where the first event is applied."
                )
        cls._appliers = {}
        for event_type, method, function in marked_methods(cls):
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise InvalidDefinition(
                    f"cannot apply events by {cls.__qualname__}.{method}: it is async, and nobody would await it. Write "
                    "`def`, and await what is needed in the handler, before the event is recorded."
                )
            other = cls._appliers.setdefault(event_type, method)
            if other != method:
                raise InvalidDefinition(
                    f"the aggregate {cls.__qualname__} has two methods on {event_type.__name__}: {other} and {method}. "
                    "Keep one."
                )

    @classmethod
    def begin(cls, event: Event) -> Self:
        """Make a new aggregate whose first recorded event is this one. `__init__` is not called.

        Raises:
            ConfigurationError: no method is marked with `on` for this event, so nothing would set the `id`.
        """
        if type(event) not in cls._appliers:
            taken = ", ".join(each.__name__ for each in cls._appliers) or "none"
            raise ConfigurationError(
                f"cannot begin {cls.__qualname__} with {type(event).__name__}: no method takes it, so nothing would be set. "
                f"Mark one with @on({type(event).__name__}). Events that have a method: {taken}."
            )
        aggregate = cls.__new__(cls)
        aggregate.record(event)
        return aggregate

    @classmethod
    def replay(cls, *events: Event) -> Self:
        """Make an aggregate from its past: the events are applied, none is recorded. `__init__` is not called."""
        aggregate = cls.__new__(cls)
        for event in events:
            aggregate._apply(event)
        return aggregate

    def record(self, event: Event) -> None:
        """Apply an event to this aggregate and keep it, to be appended when the unit of work commits."""
        self._apply(event)
        self.__dict__.setdefault("_recorded", []).append(event)

    @property
    def recorded(self) -> tuple[Event, ...]:
        """The events recorded since the aggregate was loaded or made, in order."""
        return tuple(self.__dict__.get("_recorded", ()))

    def _apply(self, event: Event) -> None:
        method = self._appliers.get(type(event))
        if method is not None:
            getattr(self, method)(event)

    def _take_recorded(self) -> list[Event]:
        """Return the recorded events, and forget them."""
        recorded: list[Event] = self.__dict__.pop("_recorded", [])
        return recorded


def stream_of(aggregate_type: type[Aggregate], id: object) -> str:
    """Return the name of an aggregate's stream, `name-id`."""
    return f"{aggregate_type.aggregate_name}-{id}"
