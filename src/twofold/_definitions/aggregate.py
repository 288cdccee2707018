"""Aggregates, the objects of the write model."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from .._background.current import current
from .._background.shown import shown_option
from ..errors import ConfigurationError, InvalidDefinition
from .message import Event
from .names import annotated, wrong_identifier
from .on import marked_methods
from .subclasses import most_specific


class Aggregate:
    """An object that enforces its rules and records events. The same class can be state-stored or event-sourced.

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

    Other methods check the rules and call `record`. Methods that are marked with `on` change the attributes. They are not
    async, and they never refuse an event. The annotated attributes are the state of the aggregate, and `id` is one of them.

    The event of `begin` needs a method, which sets the `id`. If the aggregate is state-stored, its other events need none:
    an event without a method changes nothing. If the aggregate is event-sourced, its events are its state, and the commit
    refuses an event without a method. For an event that changes nothing, write a method with an empty body.

    Class arguments:
        name: the stable name of the type. A stream is named `name-id`. ASCII letters, digits and `_`, at most 48.
        snapshot_every: the number of events after which a snapshot of an event-sourced aggregate is stored. Without it, no
            snapshot is stored.
        snapshot_version: the version of the state in snapshots, from 1. Raise it when the attributes, or the methods marked
            with `on`, change: older snapshots are then ignored, and the events are read instead.

    Raises:
        InvalidDefinition: the name is not valid, an attribute of the state has the name of an attribute of this class, two
            methods take the same event, a method is async, or a default is mutable.
    """

    aggregate_name: ClassVar[str] = ""
    snapshot_every: ClassVar[int] = 0
    snapshot_version: ClassVar[int] = 1
    _appliers: ClassVar[dict[type[Event], str]] = {}
    _recorded: ClassVar[Sequence[Event]] = ()

    id: Any

    def __init_subclass__(
        cls, *, name: str = "", snapshot_every: int | None = None, snapshot_version: int | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        for attribute in (name for base in cls.__mro__ if not issubclass(Aggregate, base) for name in annotated(base)):
            if attribute != "id" and attribute in vars(Aggregate):
                raise InvalidDefinition(
                    f"cannot declare {attribute!r} in {cls.__qualname__}: every aggregate has an attribute of that name. "
                    "Rename the attribute."
                )
        cls.snapshot_every = _positive(cls, "snapshot_every", snapshot_every, cls.snapshot_every)
        cls.snapshot_version = _positive(cls, "snapshot_version", snapshot_version, cls.snapshot_version)
        if name != "":
            if wrong := wrong_identifier(name):
                raise InvalidDefinition(
                    f"cannot name the aggregate {cls.__qualname__} {shown_option(name)}. {wrong}: "
                    f"class {cls.__name__}(Aggregate, name='order')."
                )
            cls.aggregate_name = name
        for attribute, annotation in annotated(cls).items():
            value = vars(cls).get(attribute)
            if isinstance(value, list | dict | set) and "ClassVar" not in str(annotation):
                raise InvalidDefinition(
                    f"cannot use {value!r} as the default of {cls.__qualname__}.{attribute}: all aggregates would share it. "
                    f"Set self.{attribute} where the first event is applied."
                )
        cls._appliers = appliers_of(cls, "aggregate")

    @classmethod
    def begin(cls, event: Event) -> Self:
        """Create an aggregate, and record its first event. `__init__` is not called.

        Raises:
            ConfigurationError: no method for this event is marked with `on`, so nothing would set the `id`.
        """
        if not cls._applies(event):
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
        """Create an aggregate from its past events. They are applied, but not recorded. `__init__` is not called."""
        aggregate = cls.__new__(cls)
        for event in events:
            aggregate._apply(event)
        return aggregate

    def record(self, event: Event) -> None:
        """Apply an event to this aggregate, and record it. The commit of the unit of work appends it to the event log."""
        self._apply(event)
        self.__dict__.setdefault("_recorded", []).append(event)
        handler = current.get()
        if handler is not None and handler.recorded is not None:
            handler.recorded.append((self, event, handler))

    @property
    def recorded(self) -> tuple[Event, ...]:
        """The events that were recorded since the aggregate was loaded or created, in order."""
        return tuple(self._recorded)

    @classmethod
    def _applies(cls, event: Event) -> bool:
        """Return whether a method takes an event."""
        return type(event) in cls._appliers or most_specific(type(event), cls._appliers) is not None

    def _apply(self, event: Event) -> None:
        apply(self, event, self._appliers)

    def _take_recorded(self) -> list[Event]:
        """Return the recorded events, and clear them."""
        recorded: list[Event] = self.__dict__.pop("_recorded", [])
        return recorded


def appliers_of(cls: type[Any], kind: str) -> dict[type[Event], str]:
    """Return the names of the methods that apply events, by the class of the event.

    Args:
        cls: the class.
        kind: the word for the class in error texts: "aggregate", for example.

    Raises:
        InvalidDefinition: a method is async, or two methods take the same event.
    """
    appliers: dict[type[Event], str] = {}
    for event_type, method, function, by in marked_methods(cls):
        _refuse_key(cls, event_type, by)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidDefinition(
                f"cannot apply events by {cls.__qualname__}.{method}: it is async, and would never be awaited. Write "
                "`def`, and await in the handler, before the event is recorded."
            )
        other = appliers.setdefault(event_type, method)
        if other != method:
            raise InvalidDefinition(
                f"the {kind} {cls.__qualname__} has two methods on {event_type.__name__}: {other} and {method}. Keep one."
            )
    return appliers


def apply(instance: object, event: Event, appliers: dict[type[Event], str]) -> None:
    """Apply an event by the most specific method. An event without a method changes nothing.

    Raises:
        InvalidDefinition: the method returns an awaitable.
    """
    method = appliers.get(type(event)) or most_specific(type(event), appliers)
    result = None if method is None else getattr(instance, method)(event)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()  # otherwise Python warns of it as well
        raise InvalidDefinition(
            f"cannot apply {type(event).__name__} by {type(instance).__qualname__}.{method}: it returns an awaitable, which "
            "would never be awaited. Write `def`, and await in the handler, before the event is recorded."
        )


def stream_of(aggregate_type: type[Aggregate], id: object) -> str:
    """Return the name of the stream of an aggregate, `name-id`."""
    return f"{aggregate_type.aggregate_name}-{id}"


def _refuse_key(cls: type[Any], event_type: type[Event], by: str | None) -> None:
    if by is not None:
        raise InvalidDefinition(
            f"cannot use @on({event_type.__name__}, by={by!r}) in {cls.__qualname__}: only a process has a "
            "key. Omit by=."
        )


def _positive(cls: type[Aggregate], option: str, value: int | None, default: int) -> int:
    if value is not None and value < 1:
        raise InvalidDefinition(f"cannot use {option}={value} for {cls.__qualname__}: it must be at least 1.")
    return default if value is None else value
