"""Plan handlers: turn registered functions and classes into callables, and collect faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from .._buses.callables import as_async, is_async
from .._buses.signature import Parameter, Signature, signature_of, written
from .._definitions.aggregate import Aggregate
from .._definitions.message import Event, result_type
from .._definitions.on import marked_methods
from .._definitions.view import View
from .._dispatch.binding import Binding
from .._dispatch.invocation import Invoke, invocation, invocation_of_class
from .._encoding.answer_types import stream_mismatch
from .._registration.entries import CommandEntry, Entry, EventHandlerEntry, ProjectionEntry, QueryEntry
from .._subscriptions.projection import Projection, takes_envelope
from ..errors import Fault
from .dependencies import Dependencies, Kind, Unprovided


@dataclass(frozen=True, slots=True)
class Planned:
    """A handler that can be called.

    Attributes:
        invoke: calls it in a scope.
        injected: a description of each injected parameter, for `explain`.
        streams: whether it is an async generator.
        views: the views whose rows it takes.
    """

    invoke: Invoke
    injected: tuple[str, ...]
    streams: bool = False
    views: frozenset[type[View]] = frozenset()


@dataclass(slots=True)
class Planner:
    """Plans handlers. A handler with a fault is left out, and the fault is added to `faults`.

    Attributes:
        container: the user's `dependency_injector` container, or None.
        faults: the faults found so far.
        aggregates: every aggregate that a handler has a repository of.
        views: every view that a handler reads or writes.
    """

    container: Any
    faults: list[Fault] = field(default_factory=list)
    aggregates: set[type[Aggregate]] = field(default_factory=set)
    views: set[type[View]] = field(default_factory=set)

    def handler(self, entry: CommandEntry | QueryEntry | EventHandlerEntry, kind: Kind) -> Planned | None:
        """Plan the handler of a command, a query or events."""
        messages = entry.events if isinstance(entry, EventHandlerEntry) else (entry.message,)
        if inspect.isclass(entry.handler):
            return self._class(entry, messages, kind)
        function = _function(entry.handler)
        bindings = self._message_and_bindings(entry, self._signature(entry, function), messages, kind)
        if bindings is None:
            return None
        self._check_awaits(entry, function, bindings)
        self._check_yields(entry, function)
        streams, views = inspect.isasyncgenfunction(function), _views(bindings)
        return Planned(invocation(as_async(entry.handler), bindings), _described(bindings), streams, views)

    def projection(self, entry: ProjectionEntry) -> Projection | None:
        """Plan a projection."""
        if not inspect.isclass(entry.handler):
            self._fault(
                entry, f"the projection {entry.name!r} is {entry.label}, which is not a class. Decorate a class."
            )
            return None
        views_before, self.views = self.views, set()
        made_with = self._init(entry, "projection")
        methods: dict[type[Event], Invoke] = {}
        wants_envelope = False
        for event_type, name, function in marked_methods(entry.handler):
            bindings = self._message_and_bindings(
                entry, self._signature(entry, function, bound=True), (event_type,), "projection", name
            )
            if bindings is None:
                continue
            if not inspect.iscoroutinefunction(function):
                self._fault(entry, f"{entry.label}.{name} is not async, so it cannot write rows. Write `async def`.")
            if event_type in methods:
                self._fault(entry, f"the projection {entry.name!r} has two methods on {event_type.__name__}. Keep one.")
            wants_envelope = wants_envelope or takes_envelope(bindings)
            methods[event_type] = invocation(_method(function), bindings)
        views, self.views = frozenset(self.views), views_before | self.views
        if made_with is None:
            return None
        if not methods:
            self._fault(entry, f"the projection {entry.name!r} handles no event. Mark a method with @on(OrderPlaced).")
        inline = entry.mode == "inline"
        return Projection(entry.name, inline, entry.handler, made_with, methods, views, wants_envelope)

    def _class(self, entry: Entry, messages: Sequence[type[Any]], kind: Kind) -> Planned | None:
        call = next((vars(base)["__call__"] for base in entry.handler.__mro__ if "__call__" in vars(base)), None)
        if not inspect.isfunction(call):
            self._fault(entry, f"the handler class {entry.label} has no __call__(self, message). Add one.")
            return None
        made_with = self._init(entry, kind)
        called_with = self._message_and_bindings(entry, self._signature(entry, call, bound=True), messages, kind)
        if made_with is None or called_with is None:
            return None
        self._check_awaits(entry, call, (*made_with, *called_with))
        self._check_yields(entry, call)
        invoke, injected = invocation_of_class(entry.handler, made_with, called_with), (*made_with, *called_with)
        return Planned(invoke, _described(injected), inspect.isasyncgenfunction(call), _views(injected))

    def _init(self, entry: Entry, kind: Kind) -> list[Binding] | None:
        if inspect.isabstract(entry.handler):
            missing = ", ".join(sorted(entry.handler.__abstractmethods__))
            self._fault(entry, f"{entry.label} is abstract and cannot be created. Implement {missing}.")
            return None
        if entry.handler.__init__ is object.__init__:
            return []
        read = self._signature(entry, entry.handler.__init__, bound=True)
        return None if read is None else self._bindings(entry, read.parameters, kind)

    def _signature(self, entry: Entry, function: Callable[..., Any], *, bound: bool = False) -> Signature | None:
        try:
            read = signature_of(function, entry.names)
            return read.after_self if bound else read
        except (NameError, TypeError, ValueError) as error:
            self._fault(
                entry,
                f"the annotations of {entry.label} cannot be resolved: {error}. "
                "Import the named types at run time, not under TYPE_CHECKING.",
            )
            return None

    def _message_and_bindings(
        self,
        entry: Entry,
        read: Signature | None,
        messages: Sequence[type[Any]],
        kind: Kind,
        method: str = "",
    ) -> list[Binding] | None:
        if read is None:
            return None
        parameters, returns = read.parameters, read.returns
        label = f"{entry.label}.{method}" if method else entry.label
        names = " or ".join(message.__name__ for message in messages)
        if not parameters or parameters[0].keyword_only:
            self._fault(entry, f"{label} has a wrong signature: its first parameter must be the {names}.")
            return None
        for message in messages:
            if not _takes(parameters[0].type, message):
                self._fault(
                    entry,
                    f"{label} has a wrong signature: it is registered for {message.__name__}, "
                    f"but its first parameter is {parameters[0]}.",
                )
            result = result_type(message)
            if not _gives(returns, result):
                self._fault(
                    entry,
                    f"{label} has a wrong signature: {message.__name__} returns {written(result)}, "
                    f"but the handler returns {written(returns)}.",
                )
        return self._bindings(entry, parameters[1:], kind)

    def _bindings(self, entry: Entry, parameters: Sequence[Parameter], kind: Kind) -> list[Binding] | None:
        dependencies = Dependencies(self.container, self.aggregates, self.views)
        bindings: list[Binding] = []
        for parameter in parameters:
            try:
                binding = dependencies.bind(parameter, kind)
            except Unprovided as error:
                self._fault(entry, f"{entry.label}: {error}")
                continue
            if binding is not None:
                bindings.append(binding)
        return bindings

    def _check_awaits(self, entry: Entry, call: Callable[..., Any], bindings: Sequence[Binding]) -> None:
        """Report injected parameters that must be awaited, in sync handlers: these run in a worker thread."""
        if is_async(call) or inspect.isasyncgenfunction(call):
            return
        for binding in bindings:
            if binding.awaited:
                self._fault(
                    entry, f"{entry.label} is not async, so it cannot use {binding.parameter}. Write `async def`."
                )

    def _check_yields(self, entry: Entry, call: Callable[..., Any]) -> None:
        """Report handlers that yield although they must not, and the reverse."""
        streams = inspect.isasyncgenfunction(call)
        if isinstance(entry, QueryEntry):
            if wrong := stream_mismatch(entry.message, streams):
                self._fault(entry, f"{entry.label}: {wrong}")
        elif streams:
            self._fault(
                entry,
                f"{entry.label} contains `yield`, so its body would never run: only a query handler can be a generator.",
            )
        if inspect.isgeneratorfunction(call):
            self._fault(
                entry,
                f"{entry.label} contains `yield` and is not async, so its body would never run. Write `async def`.",
            )

    def _fault(self, entry: Entry, message: str) -> None:
        self.faults.append(entry.place.fault(message))


def _function(handler: Any) -> Callable[..., Any]:
    if inspect.isfunction(handler) or inspect.ismethod(handler):
        return handler
    bound: Callable[..., Any] = handler.__call__
    return bound


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    call = as_async(function)
    return lambda pair, *args, **kwargs: call(*pair, *args, **kwargs)


def _takes(annotation: Any, message: type[Any]) -> bool:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return True
    options = getattr(annotation, "__args__", None) or (annotation,)
    return any(inspect.isclass(option) and issubclass(message, option) for option in options)


def _gives(returns: Any, result: Any) -> bool:
    if result is None:
        result = NoneType
    if not (inspect.isclass(returns) and inspect.isclass(result)) or inspect.Parameter.empty in (returns, result):
        return True
    return issubclass(returns, result)


def _views(bindings: Sequence[Binding]) -> frozenset[type[View]]:
    return frozenset(binding.view for binding in bindings if binding.view is not None)


def _described(bindings: Sequence[Binding]) -> tuple[str, ...]:
    return tuple(f"{binding.parameter.name}: {binding.source}" for binding in bindings)
