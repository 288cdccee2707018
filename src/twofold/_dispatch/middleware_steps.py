"""The steps of middleware in a pipeline: outside and inside of the unit of work, with and without the envelope."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

from .._buses.chain import EnvelopeMiddleware, Middleware, compose, takes_envelope
from .._buses.no_handler import Handle
from .binding import Invoke
from .caller import envelope_of
from .scope import Scope
from .services import Services
from .steps import Step

EnvelopedHandle: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
"""Handles a message. Takes its envelope as a second argument `envelope`, if a middleware has taken it."""


def outer_steps(services: Services, middleware: Sequence[Middleware | EnvelopeMiddleware]) -> list[Step]:
    """Return the steps of middleware outside of the unit of work, the outermost first.

    A chain in which no middleware takes the envelope handles messages without one.
    """
    if not any(map(takes_envelope, middleware)):
        return [
            Step("middleware", f"middleware {name_of(each)}", partial(compose, [cast(Middleware, each)]))
            for each in middleware
        ]
    return [
        Step("envelope", "envelope: ids and metadata of the message, for middleware", partial(_enveloped, services)),
        *(Step("middleware", f"middleware {name_of(each)}", partial(_with_envelope, each)) for each in middleware),
    ]


def _enveloped(services: Services, handle: EnvelopedHandle) -> Handle:
    async def enveloped(message: Any) -> Any:
        return await handle(message, envelope_of(services, message))

    return enveloped


def _with_envelope(middleware: Any, handle: EnvelopedHandle) -> Any:
    if takes_envelope(middleware):
        return lambda message, envelope: middleware(message, partial(handle, envelope=envelope), envelope)
    return lambda message, envelope: middleware(message, partial(handle, envelope=envelope))


def inner_step(middleware: Middleware | EnvelopeMiddleware, *, innermost: bool) -> Step:
    """Return the step of a middleware inside the unit of work."""
    text = f"middleware {name_of(middleware)} (inside the unit of work)"
    return Step("middleware", text, partial(_around_attempt if innermost else _in_scope, middleware))


def event_handle(invoke: Invoke, middleware: Sequence[Middleware | EnvelopeMiddleware]) -> Invoke:
    """Put middleware around an event handler. All of it runs in the scope of the event."""
    if middleware:
        invoke = _attempt(invoke)
    for link in reversed(middleware):
        invoke = _in_scope(link, invoke)
    return invoke


def _in_scope(middleware: Any, invoke: Invoke) -> Invoke:
    if takes_envelope(middleware):
        return lambda scope, message: middleware(message, partial(invoke, scope), scope.envelope)
    return lambda scope, message: middleware(message, partial(invoke, scope))


def _around_attempt(middleware: Any, invoke: Invoke) -> Invoke:
    return _in_scope(middleware, _attempt(invoke))


def _attempt(invoke: Invoke) -> Invoke:
    """Undo the changes of a handler that fails, although middleware inside the unit of work may answer its error."""

    async def attempt(scope: Scope, message: Any) -> Any:
        async with scope.unit_of_work().attempt():
            return await invoke(scope, message)

    return attempt


def name_of(middleware: object) -> str:
    """Return the name of a middleware in `explain`."""
    name: str = getattr(middleware, "__qualname__", type(middleware).__qualname__)
    return name.split(".<locals>.", maxsplit=1)[0]
