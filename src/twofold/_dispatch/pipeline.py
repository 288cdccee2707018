"""How a message is handled, from the bus to its handler and the commit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from .._buses.chain import Middleware, compose
from .._buses.no_handler import Handle
from .._writing.unit_of_work import UnitOfWork
from ..errors import AfterCommitFailed
from .caller import current
from .invocation import Invoke
from .scope import NEW, Claim, Scope
from .services import Services
from .steps import Step
from .turns import Turns, turn_of_claim, turn_of_field

_TURN = "turn: one at a time for each {}, in this process"

_UNIT = "unit of work: begins at the first use, commits after the handler"


def command_steps(
    services: Services,
    handler: str,
    *,
    middleware: Sequence[Middleware],
    inside: Sequence[Middleware],
    key: str | None,
    turns: Turns,
    inline: Sequence[str],
) -> list[Step]:
    """Return the steps of a command.

    Args:
        services: what the application offers.
        handler: the handler, in words.
        middleware: runs outside of the unit of work, the outermost first.
        inside: middleware that runs inside the unit of work.
        key: the field whose value lets commands take turns, if any.
        turns: the locks that all commands of the application share.
        inline: the names of the inline projections.
    """
    return [
        *map(_middleware, middleware),
        *([] if key is None else [Step("turn", _TURN.format(key), partial(turn_of_field, turns, key))]),
        Step("turn", _TURN.format("idempotency key"), partial(turn_of_claim, turns), claims=True),
        Step("unit of work", _UNIT, partial(_unit_of_work, services)),
        Step("claim", "claim: stores the idempotency key; a duplicate returns the first result", _claimed, claims=True),
        *map(_inside, inside),
        Step("handler", handler),
        *([Step("inline projections", f"inline projections: {', '.join(inline)}")] if inline else []),
        Step("commit", "commit: state, events and result, all or nothing"),
        Step("announce", "announce: the session sees its writes, and subscriptions wake up"),
    ]


def query_steps(
    services: Services,
    handler: str,
    *,
    reads: Sequence[str],
    middleware: Sequence[Middleware],
    cache: Step | None,
    streams: bool,
) -> list[Step]:
    """Return the steps of a query.

    Args:
        services: what the application offers.
        handler: the handler, in words.
        reads: the projections that the session waits for.
        middleware: the outermost first.
        cache: looks for a cached answer, if there is a cache.
        streams: whether the handler is an async generator.
    """
    return [
        *([Step("wait", f"wait: for {', '.join(reads)}, in a session")] if reads else []),
        *map(_middleware, middleware),
        *([] if cache is None else [cache]),
        Step("scope", "scope: read only, nothing is committed", partial(_stream if streams else _read, services)),
        Step("handler", handler),
    ]


def _middleware(middleware: Middleware) -> Step:
    return Step("middleware", f"middleware {_name(middleware)}", partial(compose, [middleware]))


def _inside(middleware: Middleware) -> Step:
    text = f"middleware {_name(middleware)} (inside the unit of work)"
    return Step("middleware", text, partial(_in_scope, middleware))


def _in_scope(middleware: Middleware, invoke: Invoke) -> Invoke:
    return lambda scope, message: middleware(message, partial(invoke, scope))


def event_handle(invoke: Invoke, middleware: Sequence[Middleware]) -> Invoke:
    """Put middleware around an event handler. All of it runs in the scope of the event."""
    for link in reversed(middleware):
        invoke = _in_scope(link, invoke)
    return invoke


def _name(middleware: Middleware) -> str:
    return getattr(middleware, "__qualname__", type(middleware).__qualname__).split(".<locals>.")[0]


def _claimed(invoke: Invoke) -> Invoke:
    """Claim before the handler runs, first in its transaction, so that a repeat waits and does not begin."""

    async def claimed(scope: Scope, command: Any) -> Any:
        claim = cast(Claim, scope.claim)
        answer = await claim.claim(scope)
        if answer is not NEW:
            return answer
        result = await invoke(scope, command)
        await claim.handled(scope, result)
        return result

    return claimed


def _unit_of_work(services: Services, invoke: Invoke) -> Handle:
    """Open the scope of a command, handle it, commit its unit of work, and announce what it wrote."""

    async def handle(command: Any) -> Any:
        caller = current.get()
        if caller is None:
            scope = Scope(services, command)
        elif caller.scope is None:
            scope = Scope(services, command, caller.conversation, None, caller.claim)
        else:
            return await _join(invoke, services, command, caller.scope, caller.claim)
        mark = current.set(scope)
        try:
            result = await invoke(scope, command)
            unit = scope.unit
            stored = () if unit is None else await unit.commit()
        except BaseException as failure:
            if scope.unit is not None:
                await scope.unit.rollback()
            await scope.close(failure)
            raise
        finally:
            current.reset(mark)
            scope.ended = True
        if stored:
            scope.conversation.seen.add(stored)
            services.committed.send()
        if scope.resources is not None:
            await scope.close()
        if unit is not None and unit.changes.after:
            await _after_commit(unit, result)
        return result

    return handle


async def _join(invoke: Invoke, services: Services, command: Any, outer: Scope, claim: Claim | None) -> Any:
    """Handle a command in the unit of work of the handler that dispatched it."""
    outer.check_nested(command)
    scope = Scope(services, command, None, outer, claim)
    scope.unit = outer.unit_of_work()
    mark = current.set(scope)
    try:
        result = await invoke(scope, command)
    except BaseException as failure:
        await scope.close(failure)
        raise
    finally:
        current.reset(mark)
    await scope.close()
    return result


async def _after_commit(unit: UnitOfWork, result: Any) -> None:
    try:
        await unit.changes.run_after_commit()
    except AfterCommitFailed as failure:
        failure.result = result
        raise


def _read(services: Services, invoke: Invoke) -> Handle:
    """Open a scope that cannot write, and answer the query in it."""

    async def handle(query: Any) -> Any:
        scope = _scope_of_query(services, query)
        try:
            result = await invoke(scope, query)
            if scope.unit is not None:
                scope.unit.changes.check_nothing_recorded(query)
        except BaseException as failure:
            await scope.close(failure)
            raise
        await scope.close()
        return result

    return handle


def _stream(services: Services, invoke: Invoke) -> Handle:
    """Do the same for a query that is answered with an async generator. Its scope closes when the generator does."""

    async def handle(query: Any) -> Any:
        return items(query)

    async def items(query: Any) -> Any:
        scope = _scope_of_query(services, query)
        try:
            async with aclosing(await invoke(scope, query)) as answer:
                async for item in answer:
                    yield item
            if scope.unit is not None:
                scope.unit.changes.check_nothing_recorded(query)
        finally:
            await scope.close()

    return handle


def _scope_of_query(services: Services, query: Any) -> Scope:
    caller = current.get()
    if caller is None:
        return Scope(services, query, read_only=True)
    outer = caller.scope
    conversation = caller.conversation if outer is None else None
    return Scope(services, query, conversation, outer, read_only=True)
