"""Dependency injection: the source of each further parameter of a handler, decided once at start."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MethodType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from .._buses.command_bus import CommandBus
from .._buses.event_bus import EventBus
from .._buses.query_bus import QueryBus
from .._buses.signature import Parameter
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Envelope
from .._definitions.view import View
from .._dispatch.binding import Binding, Resolve
from .._dispatch.scheduler import Scheduler
from .._dispatch.scope import Scope
from .._dispatch.session import Session
from .._dispatch.unique import Unique
from .._reading.read_model import ReadModel
from .._steps.steps import Steps
from .._writing.boundary import Boundary, open_boundary
from .._writing.history import History, open_history
from .._writing.repository import Repository, open_repository
from .._writing.unit_of_work import UnitOfWork
from ..errors import ConfigurationError
from ..ports.clock import Clock, Ids

Kind: TypeAlias = Literal["command", "query", "event_handler", "projection"]
"""The kind of a handler. It decides what can be injected."""


BUSES = (CommandBus, QueryBus, EventBus, Session)


class Unprovided(ConfigurationError):
    """Nothing provides a parameter. The message becomes a fault."""


class Dependencies:
    """Finds the source of a parameter: the application, its stores, or the user's container.

    Args:
        container: a `dependency_injector` container, or None.
        aggregates: notes each aggregate type that a repository is wanted of.
        views: notes each view that a read model is wanted of.
    """

    def __init__(self, container: Any, aggregates: set[type[Aggregate]], views: set[type[View]]) -> None:
        self._container = container
        self._aggregates = aggregates
        self._views = views

    def bind(self, parameter: Parameter, kind: Kind) -> Binding | None:
        """Return the binding of a parameter; None if its default applies.

        Raises:
            Unprovided: nothing provides it.
        """
        binding = self._marked(parameter) or self._own(parameter, kind) or self._by_type(parameter)
        if binding is None and not parameter.has_default:
            raise Unprovided(
                f"nothing provides the parameter {parameter}. Twofold provides Repository[…], ReadModel[…], "
                "Boundary, History, UnitOfWork, Session, Scheduler, Unique, Steps, Envelope, Clock, Ids and the buses; add "
                "a provider of anything else to the container, or give the parameter a default."
            )
        return binding

    def _own(self, parameter: Parameter, kind: Kind) -> Binding | None:
        wanted = parameter.wanted
        origin = get_origin(wanted) or wanted
        found = next((service for each, service in _SERVICES.items() if each is wanted), None)
        if found is not None:
            source, resolve = found
            return self._allowed(Binding(parameter, resolve, source, awaited=wanted not in (Clock, Ids)), kind)
        if origin is Envelope:
            return Binding(parameter, lambda scope: scope.envelope, "the message's envelope")
        if origin is Repository:
            return self._allowed(
                self._repository(parameter, _argument(parameter, Aggregate, "Repository[Order]")), kind
            )
        if origin is ReadModel:
            return self._read_model(parameter, _argument(parameter, View, "ReadModel[OrderView]"), kind)
        return None

    def _allowed(self, binding: Binding, kind: Kind) -> Binding:
        wanted = binding.parameter.wanted
        if wanted is Steps and kind != "event_handler":
            raise Unprovided(
                f"a {kind} cannot take durable steps ({binding.parameter}): its handler does not run again with the same "
                "input. Record an event, and make the outside call in an event handler."
            )
        if kind == "projection" and wanted is not Clock:
            what = "a bus" if wanted in BUSES else "the write side"
            raise Unprovided(
                f"a projection cannot take {what} ({binding.parameter}): it may be replayed at any time and only "
                "writes read models. Move this work to an event handler."
            )
        if kind == "query" and wanted in _WRITING:
            what = _WRITING[wanted]
            raise Unprovided(f"a query cannot take {what} ({binding.parameter}). Make it a command.")
        return binding

    def _repository(self, parameter: Parameter, aggregate_type: type[Aggregate]) -> Binding:
        if not aggregate_type.aggregate_name:
            raise Unprovided(
                f"the aggregate of {parameter} has no stable name, so it cannot be stored. "
                f"Name it: class {aggregate_type.__name__}(Aggregate, name='order')."
            )
        self._aggregates.add(aggregate_type)
        return Binding(
            parameter,
            MethodType(open_repository, aggregate_type),  # for each message; a call of a partial takes longer
            f"repository of {aggregate_type.__name__}",
            awaited=True,
            aggregate=aggregate_type,
        )

    def _read_model(self, parameter: Parameter, view: type[View], kind: Kind) -> Binding:
        if not view.view_name:
            raise Unprovided(
                f"the view of {parameter} has no name and key, so it has no rows. "
                f"Declare them: class {view.__name__}(View, name='order_view', key='order_id')."
            )
        self._views.add(view)
        resolve: Resolve
        if kind == "projection":
            resolve, use = (lambda scope: scope.rows[view]), "to write"
        else:
            resolve, use = (lambda scope: scope.committed_rows(view)), "to read"
        return Binding(parameter, resolve, f"rows of {view.view_name}, {use}", awaited=True, view=view)

    def _marked(self, parameter: Parameter) -> Binding | None:
        marker = parameter.marker
        if marker is None:
            return None
        if self._container is None:
            raise Unprovided(f"the parameter {parameter} is marked with Provide, but the application has no container.")
        from dependency_injector.wiring import ProvidersMap

        provider = ProvidersMap(self._container).resolve_provider(marker.provider, marker.modifier)
        if provider is None:
            raise Unprovided(f"the container has no provider {marker.provider!r} for the parameter {parameter}.")
        return _provided(parameter, provider)

    def _by_type(self, parameter: Parameter) -> Binding | None:
        wanted = parameter.wanted
        if self._container is None or not inspect.isclass(wanted):
            return None
        if parameter.has_default and wanted.__module__.partition(".")[0] in sys.stdlib_module_names:
            return None  # a plain value such as a str, which has another meaning for each parameter
        found = {name: provider for name, provider in self._container.providers.items() if _gives(provider, wanted)}
        if len(found) > 1:
            raise Unprovided(
                f"{len(found)} providers of the container fit the parameter {parameter}: {', '.join(sorted(found))}. "
                f"Choose one: Annotated[{wanted.__name__}, Provide['{min(found)}']]."
            )
        return next((_provided(parameter, provider) for provider in found.values()), None)


_WRITING = {
    CommandBus: "a bus that writes",
    EventBus: "a bus that writes",
    Scheduler: "the scheduler",
    Unique: "unique values, which it would claim",
    Session: "a session, which dispatches commands",
}

_SERVICES: Mapping[Any, tuple[str, Resolve]] = {
    UnitOfWork: ("the unit of work", lambda scope: scope.unit_of_work()),
    Boundary: ("the boundary", open_boundary),
    History: ("the history", open_history),
    Session: ("the session", lambda scope: Session(scope.services, scope.conversation)),
    Scheduler: ("the scheduler", Scheduler),
    Unique: ("the unique values", Unique),
    Steps: ("the durable steps", Steps),
    Clock: ("the clock", lambda scope: scope.services.write.clock),
    Ids: ("the ids", lambda scope: scope.services.write.ids),
    CommandBus: ("the command bus", lambda scope: scope.services.commands),
    QueryBus: ("the query bus", lambda scope: scope.services.queries),
    EventBus: ("the event bus", lambda scope: scope.services.events),
}


def _argument(parameter: Parameter, base: type[Any], example: str) -> Any:
    arguments = get_args(parameter.wanted)
    if len(arguments) == 1 and inspect.isclass(arguments[0]) and issubclass(arguments[0], (Aggregate, View)):
        if issubclass(arguments[0], base):
            return arguments[0]
        other, found = ("ReadModel", "a view") if base is Aggregate else ("Repository", "an aggregate")
        name = arguments[0].__name__
        raise Unprovided(f"the parameter {parameter} is of {found}. Take {other}[{name}].")
    if len(arguments) != 1 or not (inspect.isclass(arguments[0]) and issubclass(arguments[0], base)):
        raise Unprovided(f"the parameter {parameter} has no type argument. Write {example}.")
    return arguments[0]


def _gives(provider: Any, wanted: type[Any]) -> bool:
    """Return whether a provider of the container gives objects of a type."""
    given = getattr(provider, "provides", None)
    if inspect.isfunction(given):
        given = _return_type(given)
    if inspect.isclass(given):
        return wanted is not object and _derives(given, wanted)
    return given is not None and not callable(given) and _derives(type(given), wanted)


def _derives(given: type[Any], wanted: type[Any]) -> bool:
    try:
        return issubclass(given, wanted)
    except Exception:  # noqa: BLE001 -- such as a Protocol with attributes, or a TypedDict
        return wanted in given.__mro__


def _return_type(function: Callable[..., Any]) -> Any:
    try:
        annotation = inspect.signature(function, eval_str=True).return_annotation
    except Exception:  # noqa: BLE001 -- a quoted annotation is evaluated, which can raise anything
        return None
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return get_args(annotation)[0] if is_generator and get_args(annotation) else annotation


def _provided(parameter: Parameter, provider: Any) -> Binding:
    """Bind a parameter to a provider: one object a message, closed after it when it is a context manager or generator."""

    async def resolve(scope: Scope) -> Any:
        made = scope.opened().made
        if provider not in made:
            made[provider] = await _enter(scope, provider())
        return made[provider]

    async def _enter(scope: Scope, value: Any) -> Any:
        if inspect.isawaitable(value):
            value = await value
        if per_message and inspect.isasyncgen(value):
            return await scope.opened().exits.enter_async_context(asynccontextmanager(lambda: value)())
        if per_message and inspect.isgenerator(value):
            return scope.opened().exits.enter_context(contextmanager(lambda: value)())
        if per_message and hasattr(value, "__aenter__"):
            return await scope.opened().exits.enter_async_context(value)
        if per_message and hasattr(value, "__enter__"):
            return scope.opened().exits.enter_context(value)
        return value

    from dependency_injector import providers

    per_message = isinstance(provider, providers.Factory)
    source = f"{type(provider).__name__.lower()} of the container"
    if _is_plain(provider, per_message):
        return Binding(parameter, lambda scope: provider(), source)
    return Binding(parameter, resolve, source, is_async=True)


def _is_plain(provider: Any, per_message: bool) -> bool:
    """Return whether a plain call of the provider is enough: for an `Object`, or a `Singleton` of a plain class."""
    from dependency_injector import providers

    if isinstance(provider, providers.Object):
        return True
    return not per_message and isinstance(provider, providers.Singleton) and inspect.isclass(provider.provides)
