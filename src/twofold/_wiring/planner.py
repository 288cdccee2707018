"""Plan handlers: turn registered functions and classes into callables, and collect faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._buses.callables import as_async, handler_class, is_async, is_stream, plain_handler
from .._buses.signature import Parameter, Signature, signature_of, written
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Envelope
from .._definitions.message import Event, Message
from .._definitions.subclasses import stored_names
from .._definitions.view import View
from .._dispatch.binding import Binding, Invoke, Resolve
from .._dispatch.pipeline import invocation, invocation_of_class
from .._dispatch.telemetry_steps import Kind as MessageKind
from .._dispatch.telemetry_steps import recorded_handler
from .._encoding.result_types import answer_type, stream_mismatch
from .._registration.entries import CommandEntry, Entry, EventHandlerEntry, ProjectionEntry, QueryEntry
from .._steps.steps import Steps
from .._subscriptions.projection import Projection
from .._telemetry.recorder import Recorder
from ..errors import Fault
from .agreement import gives, takes
from .dependencies import Dependencies, Kind, Unprovided


@dataclass(frozen=True, slots=True)
class Planned:
    """A handler that can be called.

    Attributes:
        invoke: calls it in a scope.
        injected: a description of each injected parameter, for `explain`.
        streams: whether it is an async generator.
        views: the views whose rows it takes.
        aggregates: the aggregates whose repositories it takes.
        has_steps: whether it takes durable steps.
    """

    invoke: Invoke
    injected: tuple[str, ...]
    streams: bool = False
    views: frozenset[type[View]] = frozenset()
    aggregates: frozenset[type[Aggregate]] = frozenset()
    has_steps: bool = False

    def recorded(
        self, recorder: Recorder, kind: MessageKind, message: type[Message], *, subscription: str | None = None
    ) -> Invoke:
        """Return `invoke` for a type of message, recorded if telemetry is on."""
        if not recorder.on:
            return self.invoke
        return recorded_handler(recorder, kind, message, self.invoke, streams=self.streams, subscription=subscription)


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
        cls = handler_class(entry.handler)
        if cls is not None:
            return self._class(entry, cls, messages, kind)
        function = plain_handler(entry.handler)
        if not callable(function):
            is_method = isinstance(function, classmethod)
            advice = "Register it as an attribute of its class, after the class." if is_method else "Pass a function."
            self._fault(entry, f"the handler {entry.label} cannot be called. {advice}")
            return None
        bindings = self._message_and_bindings(entry, self._signature(entry, function), messages, kind)
        if bindings is None:
            return None
        self._check_awaits(entry, function, bindings)
        streams = self._check_yields(entry, function)
        return _planned(invocation(as_async(function), bindings), bindings, streams=streams)

    def projection(self, entry: ProjectionEntry) -> Projection | None:
        """Plan a projection."""
        if not inspect.isclass(entry.handler):
            self._fault(
                entry, f"the projection {entry.name!r} is {entry.label}, which is not a class. Decorate a class."
            )
            return None
        views_before, self.views = self.views, set()
        made_with = self._init(entry, entry.handler, "projection")
        methods: dict[type[Event], Invoke] = {}
        wants_envelope = False
        for event_type, name, function, by in entry.methods:
            if by is not None:
                self._fault(
                    entry, f"{entry.label}.{name} is marked with by={by!r}, and only a process has a key. Omit by=."
                )
            bindings = self._message_and_bindings(
                entry, self._signature(entry, function, of=entry.handler), (event_type,), "projection", name
            )
            if bindings is None:
                continue
            if not inspect.iscoroutinefunction(function):
                self._fault(entry, f"{entry.label}.{name} is not async, so it cannot write rows. Write `async def`.")
            if event_type in methods:
                self._fault(entry, f"the projection {entry.name!r} has two methods on {event_type.__name__}. Keep one.")
            wants_envelope = wants_envelope or _takes_envelope(bindings)
            methods[event_type] = _method(function, bindings)
        views, self.views = frozenset(self.views), views_before | self.views
        if made_with is None:
            return None
        if not methods:
            self._fault(entry, f"the projection {entry.name!r} handles no event. Mark a method with @on(OrderPlaced).")
        inline = entry.mode == "inline"
        return Projection(
            entry.name, inline, entry.handler, made_with, methods, views, stored_names(methods), wants_envelope
        )

    def _class(self, entry: Entry, cls: type[Any], messages: Sequence[type[Any]], kind: Kind) -> Planned | None:
        call = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
        if not inspect.isfunction(call):
            self._fault(entry, f"the handler class {entry.label} has no __call__(self, message). Add one.")
            return None
        made_with = self._init(entry, cls, kind)
        read = self._signature(entry, call, of=entry.handler)
        called_with = self._message_and_bindings(entry, read, messages, kind)
        if made_with is None or called_with is None:
            return None
        self._check_awaits(entry, call, (*made_with, *called_with))
        streams = self._check_yields(entry, call)
        invoke = invocation_of_class(cls, made_with, called_with)
        return _planned(invoke, (*made_with, *called_with), streams=streams)

    def _init(self, entry: Entry, cls: type[Any], kind: Kind) -> list[Binding] | None:
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(cls.__abstractmethods__))
            self._fault(entry, f"{entry.label} is abstract and cannot be created. Implement {missing}.")
            return None
        if cls.__init__ is object.__init__:
            return []
        read = self._signature(entry, cls.__init__, of=entry.handler)
        return None if read is None else self._bindings(entry, read.parameters, kind)

    def _signature(self, entry: Entry, function: Callable[..., Any], *, of: Any = None) -> Signature | None:
        try:
            return signature_of(function, entry.names, of)
        except Exception as error:  # noqa: BLE001 -- a quoted annotation is evaluated, which can raise anything
            missing = repr(error.name) if isinstance(error, NameError) and error.name else "the named types"
            self._fault(
                entry,
                f"the annotations of {entry.label} cannot be resolved: {error}. "
                f"Import {missing} at run time, not under TYPE_CHECKING.",
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
            if parameters[0].type is not message and not takes(parameters[0].type, message):
                self._fault(
                    entry,
                    f"{label} has a wrong signature: it is registered for {message.__name__}, "
                    f"but its first parameter is {parameters[0]}.",
                )
            result = answer_type(message, entry.names)
            if result is not Any and returns != result and not gives(returns, result):
                self._fault(
                    entry,
                    f"{label} has a wrong signature: {message.__name__} returns {written(result)}, "
                    f"but the handler returns {written(returns)}.",
                )
        rest = parameters if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else parameters[1:]
        return self._bindings(entry, rest, kind)

    def _bindings(self, entry: Entry, parameters: Sequence[Parameter], kind: Kind) -> list[Binding] | None:
        dependencies = Dependencies(self.container, self.aggregates, self.views)
        bindings: list[Binding] = []
        in_turn = True
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                in_turn = False  # what follows is passed by name
                continue
            try:
                binding = dependencies.bind(parameter, kind)
            except Unprovided as error:
                self._fault(entry, f"{entry.label}: {error}")
                continue
            if binding is None and parameter.positional_only:
                binding = Binding(parameter, _always(parameter.default), "")
            in_turn = in_turn and binding is not None and not parameter.keyword_only
            if binding is not None:
                bindings.append(replace(binding, by_position=in_turn))
        return bindings

    def _check_awaits(self, entry: Entry, call: Callable[..., Any], bindings: Sequence[Binding]) -> None:
        """Report injected parameters that must be awaited, in sync handlers: these run in a worker thread."""
        if is_async(call) or is_stream(call):
            return
        for binding in bindings:
            if binding.awaited:
                self._fault(
                    entry,
                    f"{entry.label} is not async, so it cannot use {binding.parameter}. Write `async def`, "
                    "or annotate what the function returns: -> Awaitable[…].",
                )

    def _check_yields(self, entry: Entry, call: Callable[..., Any]) -> bool:
        """Report handlers that yield although they must not, and the reverse. Return whether the handler streams."""
        streams = is_stream(call)
        if isinstance(entry, QueryEntry):
            if wrong := stream_mismatch(entry.message, streams):
                self._fault(entry, f"{entry.label}: {wrong}")
        elif streams:
            why = (
                "contains `yield`, so its body would never run: only a query handler can be a generator."
                if inspect.isasyncgenfunction(call)
                else "returns an async iterator, which would never be iterated over: only a query handler can stream."
            )
            self._fault(entry, f"{entry.label} {why}")
        if inspect.isgeneratorfunction(call):
            self._fault(
                entry,
                f"{entry.label} contains `yield` and is not async, so its body would never run. Write `async def`.",
            )
        return streams

    def _fault(self, entry: Entry, message: str) -> None:
        self.faults.append(entry.place.fault(message))


def _always(value: Any) -> Resolve:
    return lambda scope: value


def _method(function: Callable[..., Any], bindings: Sequence[Binding]) -> Invoke:
    """Return a callable of a scope and a pair of an instance and an event."""
    call = as_async(function)
    if not bindings:
        return lambda scope, pair: call(*pair)
    return invocation(lambda pair, *args, **kwargs: call(*pair, *args, **kwargs), bindings)


def _takes_envelope(bindings: Sequence[Binding]) -> bool:
    types = (binding.parameter.type for binding in bindings)
    return any(getattr(each, "__origin__", each) is Envelope for each in types)


def _planned(invoke: Invoke, bindings: Sequence[Binding], *, streams: bool) -> Planned:
    return Planned(
        invoke,
        injected=tuple(f"{binding.parameter.name}: {binding.source}" for binding in bindings if binding.source),
        streams=streams,
        views=frozenset(binding.view for binding in bindings if binding.view is not None),
        aggregates=frozenset(binding.aggregate for binding in bindings if binding.aggregate is not None),
        has_steps=any(binding.parameter.wanted is Steps for binding in bindings),
    )
