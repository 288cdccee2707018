"""The handling of a command, from the bus to its handler and the commit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any, cast

from .._background.calls import check_awaited
from .._background.key_locks import KeyLocks
from .._buses.callables import as_async
from .._buses.chain import EnvelopeMiddleware, Middleware
from .._buses.no_handler import Handle
from .._definitions.envelope import Envelope
from .._definitions.message import Command, Message
from .._writing.unit_of_work import UnitOfWork
from ..errors import AfterCommitFailed
from .binding import Binding, Invoke, resolved
from .caller import Caller, current_caller, reset_caller, set_caller
from .middleware_steps import EnvelopedHandle, inner_step, outer_steps
from .scope import NEW, Claim, Scope, open_scope
from .services import Services
from .steps import Pipeline, Step
from .telemetry_steps import telemetry_steps

_LOCK = "lock: one command at a time for each {}, in this process"

_UNIT = "unit of work: opens when the handler first uses it, commits after the handler"


def command_steps(
    services: Services,
    command: type[Command[Any]],
    handler: str,
    *,
    middleware: Sequence[Middleware | EnvelopeMiddleware],
    inside: Sequence[Middleware | EnvelopeMiddleware],
    key: str | None,
    locks: KeyLocks,
    inline: Sequence[str],
    outdated: Sequence[str],
) -> list[Step]:
    """Return the steps of a command. The functions below are in the same order.

    Args:
        services: the services of the application.
        command: the type of command.
        handler: the handler, in words.
        middleware: runs outside of the unit of work, the outermost first.
        inside: middleware that runs inside the unit of work.
        key: the field whose equal values make commands run one after another, if any.
        locks: the locks of keys, which all commands of the application share.
        inline: the names of the inline projections.
        outdated: the names of the queries whose cached answers the commit may change.
    """
    return [
        *(telemetry_steps(services.recorder, "command", command) if services.recorder.on else ()),
        *(outer_steps(services, middleware) if middleware else ()),
        *([] if key is None else [Step("lock", _LOCK.format(key), partial(_lock_field, locks, key))]),
        Step("lock", _LOCK.format("idempotency key"), partial(_lock_claim, locks), claims=True),
        Step("unit of work", _UNIT, partial(_unit_of_work, services)),
        Step("claim", "claim: stores the idempotency key; a duplicate returns the first result", _claimed, claims=True),
        *(inner_step(each, innermost=each is inside[-1]) for each in inside),
        Step("handler", handler),
        *([Step("inline projections", f"inline projections: {', '.join(inline)}")] if inline else []),
        Step("commit", "commit: state, events and result, all or nothing"),
        Step("announce", "announce: advances the session's token and notifies subscriptions"),
        *([Step("invalidation", f"invalidation: of cached answers of {', '.join(outdated)}")] if outdated else []),
    ]


def _lock_field(locks: KeyLocks, name: str, handle: EnvelopedHandle) -> EnvelopedHandle:
    """Run commands with an equal field one after another. Commands of several types share the locks."""

    async def locked(command: Any, envelope: Envelope[Any] | None = None) -> Any:
        caller = current_caller()
        if caller is not None and caller.scope is not None:  # the outer command holds the lock
            return await handle(command, envelope)
        async with locks.hold(("field", getattr(command, name))):
            return await handle(command, envelope)

    return locked


def _lock_claim(locks: KeyLocks, handle: EnvelopedHandle) -> EnvelopedHandle:
    """Run dispatches with an equal claim one after another, so that duplicates wait here and not in the database."""

    async def locked(command: Any, envelope: Envelope[Any] | None = None) -> Any:
        caller = cast(Caller, current_caller())
        if caller.scope is not None:
            return await handle(command, envelope)
        async with locks.hold(cast(Claim, caller.claim).lock_key()):
            return await handle(command, envelope)

    return locked


def _unit_of_work(services: Services, invoke: Invoke) -> Handle:
    """Open the scope of a command, handle it, commit its unit of work, and announce its events."""

    async def handle(command: Any, envelope: Envelope[Any] | None = None) -> Any:
        caller = current_caller()
        if caller is not None and caller.scope is not None:
            return await _join(invoke, services, command, caller, envelope)
        joined, claim = (None, None) if caller is None else (caller.conversation, caller.claim)
        scope = open_scope(services, command, joined, None, claim, False, envelope)
        mark = set_caller(scope)
        try:
            result = await invoke(scope, command)
            if type(result) is CoroutineType or (scope.calls and CORO_CREATED in map(getcoroutinestate, scope.calls)):
                result = await _finished(result, scope)
            unit = scope.unit_of_work() if scope.unit is None and scope.recorded else scope.unit
            stored = () if unit is None else await unit.commit()
        except BaseException as failure:
            if scope.unit is not None:
                await scope.unit.rollback()
            await scope.close(failure)
            raise
        finally:
            reset_caller(mark)
            scope.recorded = None
        if stored and unit is not None:
            if scope.joined is not None:
                scope.joined.seen.add(stored, unit.run)
            services.committed.send()
        if scope.resources is not None or (unit is not None and unit.changes.after):
            await _after_commit(scope, unit, result)
        return result

    return handle


async def _join(
    invoke: Invoke, services: Services, command: Any, caller: Caller | Scope, envelope: Envelope[Any] | None
) -> Any:
    """Handle a command in the unit of work of the handler that dispatched it."""
    outer = cast(Scope, caller.scope)
    claim = caller.claim if isinstance(caller, Caller) else None  # the claim of a scope belongs to the outer command
    outer.check_nested(command)
    scope = open_scope(services, command, None, outer, claim, False, envelope)
    unit = scope.join(outer)
    before, mark = unit.changes.extent, set_caller(scope)
    try:
        result = await called(invoke, scope, command)
        await scope.close()
    except BaseException as failure:
        if unit.changes.extent != before:
            unit.mark_incomplete(failure)
        await scope.close(failure)
        raise
    finally:
        reset_caller(mark)
    return result


async def _after_commit(scope: Scope, unit: UnitOfWork | None, result: Any) -> None:
    """Close the resources and run the callbacks. An error must not look like one of the handler, which may be repeated."""
    if unit is None:
        return await scope.close()
    try:
        await unit.changes.run_after_commit(scope.close)
    except AfterCommitFailed as failure:
        failure.result = result
        raise


def _claimed(invoke: Invoke) -> Invoke:
    """Claim before the handler runs, first in its transaction, so that a repeat waits and does not begin."""

    async def claimed(scope: Scope, command: Any) -> Any:
        claim = cast(Claim, scope.claim)
        answer = await claim.claim(scope)
        if answer is not NEW:
            return answer
        result = await called(invoke, scope, command)
        await claim.handled(scope, result)
        return result

    return claimed


def pipeline(
    message: type[Message],
    steps: Sequence[Step],
    last: Callable[..., Any],
    *,
    reads: Sequence[str] = (),
    streams: bool = False,
) -> Pipeline:
    """Compose steps around the callable of a handler, once, so that a message costs no loop over them."""
    handle = _composed([step for step in steps if not step.claims], last)
    claimed = _composed(steps, last) if any(step.claims for step in steps) else handle
    return Pipeline(message, tuple(steps), handle, claimed, reads, streams)


def _composed(steps: Sequence[Step], last: Any) -> Any:
    for step in reversed(steps):
        if step.around is not None:
            last = step.around(last)
    return last


async def called(invoke: Invoke, scope: Scope, message: Any) -> Any:
    """Call a handler, and await its result to the end.

    Raises:
        NotAwaited: the handler did not await a call of its parameters.
    """
    return await _finished(await invoke(scope, message), scope)


async def _finished(result: Any, scope: Scope) -> Any:
    """Return the result of a handler, which may be a call that the handler did not await."""
    if type(result) is CoroutineType:
        result = await result
    check_awaited(scope.calls)
    return result


def invocation(call: Callable[..., Coroutine[Any, Any, Any]], bindings: Sequence[Binding]) -> Invoke:
    """Return a callable of a scope and a message that resolves the further parameters and calls the handler."""
    if any(binding.is_async or not binding.by_position for binding in bindings):
        return _mixed(call, bindings)
    match [binding.resolve for binding in bindings]:
        case []:
            return lambda scope, message: call(message)
        case [first]:
            return lambda scope, message: call(message, first(scope))
        case [first, second]:
            return lambda scope, message: call(message, first(scope), second(scope))
        case resolves:
            return lambda scope, message: call(message, *[resolve(scope) for resolve in resolves])


def _mixed(call: Callable[..., Coroutine[Any, Any, Any]], bindings: Sequence[Binding]) -> Invoke:
    async def invoke(scope: Scope, message: Any) -> Any:
        values, named = await resolved(scope, bindings)
        return await call(message, *values, **named)

    return invoke


def invocation_of_class(cls: type[Any], made_with: Sequence[Binding], called_with: Sequence[Binding]) -> Invoke:
    """Do the same for a class, which is instantiated for each message."""
    call = as_async(cls.__call__)

    async def invoke(scope: Scope, message: Any) -> Any:
        values, named = await resolved(scope, made_with)
        handler = cls(*values, **named)
        values, named = await resolved(scope, called_with)
        return await call(handler, message, *values, **named)

    return invoke
